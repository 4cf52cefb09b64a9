//! The subcommands of the program.

#[cfg(feature = "backtest")]
pub mod backtest;
