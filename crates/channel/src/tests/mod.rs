//! What must hold of frames and of the machines.

mod frames;
mod light;
mod machines;
mod way;
