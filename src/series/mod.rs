//! Series: identity and labels, what they measure, and their recent past compressed in memory.

mod chunk;
mod index;
mod rate;
mod window;

pub use chunk::{Point, Verdict};
pub use index::{Common, Index, Interner, Step, Symbol, SymbolSet, resolve};
pub use rate::{Meaning, Rate, rate};
pub use window::Window;
