//! The embedded file engine: one redb database in a locked directory.

mod base;
mod directory;
mod disk;
mod engine;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

pub(crate) use engine::Engine;
