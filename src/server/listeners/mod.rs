//! Log lines that do not come by HTTP: syslog by TCP, TLS and UDP, and Fluent forward; and OTLP by gRPC, which has the
//! daemon's own port and may have another.
//!
//! [`Listeners`] takes the addresses before any work is done that would be in vain without them; [`Listeners::start`] begins
//! to read when there is an engine, and [`Listening::stop`] ends before the engine does. In between each connection is a task
//! ([`connection`]) that reads, gathers lines for a moment, and keeps them by the same way as every other input ([`mod@input`]).
//! Decoders are in [`crate::ingest::logs`].

mod connection;
mod counters;
mod forward;
pub(super) mod grpc;
mod input;
mod stop;
mod syslog;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod udp;

use std::{future::IntoFuture, io, net::SocketAddr};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use self::{
    forward::Forward,
    input::Input,
    stop::{Stop, Word},
    syslog::Syslog,
    tls::Tls,
};
use super::app::App;
use crate::{
    config::{Logs, TlsFiles, Transport},
    ingest::logs::LogLimits,
    signal::{InvalidTenant, TenantId},
};

pub(super) use counters::Counters;

/// Labels of metrics.
const SYSLOG: &str = "syslog";
const FORWARD: &str = "forward";

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address.
    #[error("{key}: cannot listen on {address}")]
    Bind {
        /// Its key in the configuration.
        key: String,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The certificate or the key.
    #[error("{key}.tls: {reason:#}")]
    Tls {
        /// Which listener.
        key: String,
        /// What is wrong with them.
        reason: anyhow::Error,
    },
    /// The tenant. There is none such in a configuration that was loaded.
    #[error("{key}.tenant: {source}")]
    Tenant {
        /// Which listener.
        key: String,
        /// What is wrong with it.
        source: InvalidTenant,
    },
}

/// Listeners that hold their addresses and read nothing yet.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    inputs: Vec<(Socket, TenantId)>,
    grpc: Option<TcpListener>,
}

#[derive(Debug)]
enum Socket {
    Syslog(TcpListener, Option<Tls>),
    Datagrams(UdpSocket),
    Forward(TcpListener, Option<Tls>),
}

impl Listeners {
    /// Takes the addresses.
    ///
    /// # Errors
    /// [`ListenError`] for the first that cannot be had.
    pub(super) async fn bind(config: &Logs) -> Result<Self, ListenError> {
        let mut all = Self::default();
        for (at, entry) in config.syslog.iter().enumerate() {
            let key = format!("logs.syslog[{at}]");
            let socket = match entry.protocol {
                Transport::Tcp => {
                    Socket::Syslog(tcp(format!("{key}.listen"), entry.listen).await?, tls(&key, entry.tls.as_ref())?)
                }
                Transport::Udp => Socket::Datagrams(udp(format!("{key}.listen"), entry.listen).await?),
            };
            all.inputs.push((socket, tenant(&key, &entry.tenant)?));
        }
        for (at, entry) in config.forward.iter().enumerate() {
            let key = format!("logs.forward[{at}]");
            let socket =
                Socket::Forward(tcp(format!("{key}.listen"), entry.listen).await?, tls(&key, entry.tls.as_ref())?);
            all.inputs.push((socket, tenant(&key, &entry.tenant)?));
        }
        if let Some(address) = config.otlp_grpc {
            all.grpc = Some(tcp("logs.otlp_grpc".to_owned(), address).await?);
        }
        Ok(all)
    }

    /// Begins to read.
    pub(super) fn start(self, app: &App) -> Listening {
        let (word, stop) = Stop::new();
        let mut tasks = JoinSet::new();
        for (socket, tenant) in self.inputs {
            let input = |protocol| input(app, protocol, tenant, stop.clone());
            match socket {
                Socket::Syslog(listener, tls) => {
                    tasks.spawn(tcp::listen(listener, tls, Syslog::new, input(SYSLOG)));
                }
                Socket::Datagrams(socket) => {
                    tasks.spawn(udp::listen(socket, input(SYSLOG)));
                }
                Socket::Forward(listener, tls) => {
                    let input = input(FORWARD);
                    let most = input.event_bytes;
                    tasks.spawn(tcp::listen(listener, tls, move || Forward::new(most), input));
                }
            }
        }
        if let Some(listener) = self.grpc {
            let mut stop = stop.clone();
            let server = axum::serve(listener, grpc::routes().with_state(app.clone()))
                .with_graceful_shutdown(async move { stop.told().await })
                .into_future();
            tasks.spawn(async {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the gRPC listener ended");
                }
            });
        }
        Listening { word, tasks }
    }
}

fn input(app: &App, protocol: &'static str, tenant: TenantId, stop: Stop) -> Input<App> {
    let config = &app.config().logs;
    Input {
        protocol,
        tenant,
        limits: LogLimits { body_bytes: config.max_body.get(), ..LogLimits::default() },
        event_bytes: config.max_body.get(),
        connections: config.max_connections,
        idle: config.idle_timeout.get(),
        counters: app.telemetry().listeners().clone(),
        stop,
        sink: app.clone(),
    }
}

async fn tcp(key: String, address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await.map_err(bind_error(&key, address))?;
    tracing::info!(key, address = %listener.local_addr().unwrap_or(address), "log lines may come");
    Ok(listener)
}

async fn udp(key: String, address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let socket = UdpSocket::bind(address).await.map_err(bind_error(&key, address))?;
    tracing::info!(key, address = %socket.local_addr().unwrap_or(address), "log lines may come by UDP");
    Ok(socket)
}

fn bind_error(key: &str, address: SocketAddr) -> impl FnOnce(io::Error) -> ListenError {
    move |source| ListenError::Bind { key: key.to_owned(), address, source }
}

fn tls(key: &str, files: Option<&TlsFiles>) -> Result<Option<Tls>, ListenError> {
    let load = files.map(Tls::load).transpose();
    load.map_err(|reason| ListenError::Tls { key: key.to_owned(), reason })
}

fn tenant(key: &str, name: &str) -> Result<TenantId, ListenError> {
    TenantId::parse(name).map_err(|source| ListenError::Tenant { key: key.to_owned(), source })
}

/// Listeners at work.
#[derive(Debug)]
pub(super) struct Listening {
    word: Word,
    tasks: JoinSet<()>,
}

impl Listening {
    /// Stops reading and waits until what was read is kept, for as long as there is time.
    pub(super) async fn stop(mut self, deadline: Instant) {
        drop(self.word);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(panic) = ended {
                    tracing::error!(error = %panic, "a listener ended by a fault of vigie");
                }
            }
        };
        if timeout_at(deadline, all).await.is_err() {
            tracing::warn!("some log lines that were read could not be kept in time");
        }
    }
}
