//! Codes and walks by the vector units of x86-64.
//!
//! Each of the two asks for its processor features right before the only calls into code that needs them.
#![allow(unsafe_code)]

pub(super) mod avx2;
pub(super) mod avx512;
