//! The SSH server's channels: windows are kept to, closed channels stay closed, answers are bounded.
//!
//! An input is a script; `sagegate_ssh::fuzzing` tells its form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    sagegate_ssh::fuzzing::channels(input);
});
