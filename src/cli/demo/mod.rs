//! `vigie demo`.
pub mod fault;
pub mod shop;
