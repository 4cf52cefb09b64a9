//! TLS for a listener: its certificate, and whose certificates it wants to see.

use std::{fmt, path::Path, sync::Arc};

use anyhow::{Context, ensure};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::config::TlsFiles;

/// Makes TLS connections of others. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// A file cannot be read, holds nothing of its kind, or what they hold does not go together.
    pub(super) fn load(files: &TlsFiles) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| cannot_read("private key", &files.key))?;
        let clients: Arc<dyn ClientCertVerifier> = match &files.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).with_context(|| cannot_read("certificate", file))?;
                }
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?
            }
        };
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_client_cert_verifier(clients).with_single_cert(chain, key)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Makes a connection one of TLS.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.with_context(|| cannot_read("certificate", file))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate in PEM", file.display());
    Ok(certificates)
}

fn cannot_read(what: &str, file: &Path) -> String {
    format!("cannot read a {what} in PEM from {}", file.display())
}
