//! The SSH server's packets and key exchanges, against a scripted client that knows its keys: nothing
//! panics, what arrives is what was sent, and nothing is read that was not sealed.
//!
//! An input is a script; `sagegate_ssh::fuzzing` tells its form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    sagegate_ssh::fuzzing::transport(input);
});
