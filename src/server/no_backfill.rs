//! Without outgoing HTTP nothing can be read in; who configures it is told so when the configuration is checked.

use super::app::App;
use crate::config;

/// There is none.
#[derive(Debug)]
pub(super) enum Backfill {}

impl Backfill {
    pub(super) fn new(_: &config::Backfill) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    pub(super) async fn run(&self, _: &App) {
        match *self {}
    }
}
