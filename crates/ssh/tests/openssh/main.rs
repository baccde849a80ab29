//! OpenSSH's own programs against the server.

mod files;
mod forwards;
mod sessions;
mod support;
