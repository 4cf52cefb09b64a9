//! TLS for a listener, in a vigie that was built without.

use std::{convert::Infallible, io};

use tokio::net::TcpStream;

use crate::config::TlsFiles;

/// There is none.
#[derive(Clone, Debug)]
pub(super) struct Tls(Infallible);

impl Tls {
    /// Says that there is none.
    pub(super) fn load(_: &TlsFiles) -> anyhow::Result<Self> {
        anyhow::bail!("this vigie was built without TLS (feature tls)")
    }

    pub(super) async fn accept(&self, _: TcpStream) -> io::Result<TcpStream> {
        match self.0 {}
    }
}
