//! Without outgoing HTTP nothing can be read in.

use anyhow::ensure;

use super::app::App;
use crate::config;

/// There is none.
#[derive(Debug)]
pub(super) enum Backfill {}

impl Backfill {
    pub(super) fn new(config: &config::Backfill) -> anyhow::Result<Option<Self>> {
        ensure!(
            config.prometheus.is_none(),
            "backfill.prometheus needs a vigie that was built with the feature `client`"
        );
        Ok(None)
    }

    pub(super) async fn run(&self, _: &App) {
        match *self {}
    }
}
