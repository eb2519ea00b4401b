//! The measurements, a file each.

pub mod away;
pub mod every;
pub mod load;
pub mod memory;
pub mod pause;
pub mod restart;

use crate::commands::Keys;

/// How large the state is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Values of so many MiB in all
    #[arg(long, default_value_t = 1024)]
    pub mib: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub value: u32,
}

impl Size {
    pub fn keys(self) -> Keys {
        Keys::of_bytes(self.mib << 20, self.value as usize)
    }

    pub fn text(self, measure: &str) -> String {
        format!("{measure}: {} MiB of {} bytes", self.mib, self.value)
    }
}
