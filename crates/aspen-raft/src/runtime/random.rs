//! Randomness from the simulation's seed.

use std::convert::Infallible;

use aspen_core::runtime;

/// Every number comes from the seed; it has no state of its own.
pub(crate) struct SimRandom;

impl rand::TryRng for SimRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(runtime::random_bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(runtime::random_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| u8::from_le_bytes(runtime::random_bytes()));
        Ok(())
    }
}
