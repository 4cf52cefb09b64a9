//! Says how unusual a sample is.
//!
//! [`forest`] holds the isolation forests. Nothing here reads a clock; all randomness comes from a seed.

pub mod forest;
mod random;
