//! System calls that nothing in a space gets.
//!
//! Namespaces do not part everything: the keyrings of the session that started the server belong to
//! every process below it, and what is in them would be read and written by all spaces.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::trouble::{Done, While};

/// Keyrings, and what is a way into the kernel for programs that a space has no use for.
const REFUSED: &[i64] = &[
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_open_by_handle_at,
];
/// On x86-64 every call has a second number, by which the kernel takes it as well where it was built
/// for the x32 ABI.
const X32: i64 = 0x4000_0000;

/// Refuses these calls to this process and all that come of it, with EPERM. For good: needs "no new
/// privileges", or the right to do without.
pub(crate) fn refuse() -> Done {
    apply(REFUSED.iter().map(|it| (*it, Vec::new())), libc::EPERM)
}

/// Refuses user namespaces likewise, where no switch of the kernel does: whoever makes one has every
/// right in it. Engines' own filters differ in this.
pub(crate) fn refuse_user_namespaces() -> Done {
    let flag = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    let asks =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag);
    let rule = SeccompRule::new(vec![asks.doing("system calls")?]).doing("system calls")?;
    let calls = [libc::SYS_unshare, libc::SYS_clone].map(|it| (it, vec![rule.clone()]));
    apply(calls.into_iter(), libc::EPERM)?;
    // Its flags are in memory, where no filter sees them. The C library does without it then.
    apply(std::iter::once((libc::SYS_clone3, Vec::new())), libc::ENOSYS)
}

/// Refuses calls with this error, each wherever one of its rules holds, or always where it has none.
fn apply(calls: impl Iterator<Item = (i64, Vec<SeccompRule>)>, error: i32) -> Done {
    let both = calls.flat_map(|(number, rules)| [(number, rules.clone()), (number | X32, rules)]);
    let refused = SeccompAction::Errno(error.unsigned_abs());
    let here = TargetArch::try_from(std::env::consts::ARCH).doing("system calls")?;
    let rules: BTreeMap<i64, Vec<_>> = both.collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, here);
    let program = filter.and_then(BpfProgram::try_from).doing("system calls")?;
    seccompiler::apply_filter(&program).doing("system calls")
}
