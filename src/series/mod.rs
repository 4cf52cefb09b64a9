//! Series: identity and labels, what they measure, and their recent past compressed in memory.

mod archive;
mod bits;
mod chunk;
mod index;
mod rate;
mod symbols;
mod verdict;
mod window;

pub use archive::{Archive, ChunkFiles, ChunkMemory, FileUse, Stretch};
pub use chunk::Point;
pub use index::{Common, Index, Step};
pub use rate::{Meaning, Rate, rate};
pub use symbols::{Interner, Symbol, SymbolSet, resolve};
pub use verdict::Verdict;
pub use window::Window;
