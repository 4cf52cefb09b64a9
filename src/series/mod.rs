//! Series: identity and labels, what they measure, and their recent past compressed in memory.

mod archive;
mod bits;
mod chunk;
mod index;
mod rate;
mod verdict;
mod window;

pub use archive::{Archive, ChunkFiles, ChunkMemory, FileUse, Stretch};
pub use chunk::Point;
pub use index::{Common, Index, Interner, Step, Symbol, SymbolSet, resolve};
pub use rate::{Meaning, Rate, rate};
pub use verdict::Verdict;
pub use window::Window;
