//! The SSH server's file transfer: every request gets one answer, of its kind and of bounded size.
//!
//! An input is a script; `sagegate_ssh::fuzzing` tells its form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    sagegate_ssh::fuzzing::files(input);
});
