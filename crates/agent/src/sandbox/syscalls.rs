//! System calls that nothing in a space gets.
//!
//! Namespaces do not part everything: the keyrings of the session that started the server belong to
//! every process below it, and what is in them would be read and written by all spaces.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

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
    let numbers = REFUSED.iter().flat_map(|it| [*it, *it | X32]);
    let rules: BTreeMap<i64, Vec<_>> = numbers.map(|number| (number, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let here = TargetArch::try_from(std::env::consts::ARCH).doing("system calls")?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, here);
    let program = filter.and_then(BpfProgram::try_from).doing("system calls")?;
    seccompiler::apply_filter(&program).doing("system calls")
}
