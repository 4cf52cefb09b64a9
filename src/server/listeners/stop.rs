//! The word to stop.

use tokio::sync::watch;

/// Who gives the word, by being dropped.
pub(super) type Word = watch::Sender<()>;

/// Hears the word to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<()>);

impl Stop {
    pub(super) fn new() -> (Word, Self) {
        let (word, stop) = watch::channel(());
        (word, Self(stop))
    }

    /// Returns when it is time to stop.
    pub(super) async fn told(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}
