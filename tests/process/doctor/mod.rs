//! Failures planted in clusters that run: `taraflow doctor` must name the cause of each.

mod diagnosis;
mod machines;
mod processes;
mod threads;
