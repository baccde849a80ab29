//! What must hold of frames and of the machines.

mod frames;
mod machines;
mod way;
