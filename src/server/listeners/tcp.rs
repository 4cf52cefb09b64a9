//! Connections: accepted up to a limit, each served by a task of its own.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::{End, Parser, serve},
    input::{Input, Sink},
    tls::Tls,
};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Wait after a connection could not be accepted, which is when the process has no more file descriptors.
const NO_MORE: Duration = Duration::from_secs(1);

/// Accepts and serves connections until it is told to stop; then finishes those there are. Connections over the limit wait
/// in the system's queue, so that nothing of theirs is lost.
pub(super) async fn listen<P, K>(listener: TcpListener, tls: Option<Tls>, parser: impl Fn() -> P, input: Input<K>)
where
    P: Parser + 'static,
    K: Sink,
{
    let places = Arc::new(Semaphore::new(input.connections));
    let mut stop = input.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.told() => break,
            Some(ended) = connections.join_next() => note(ended),
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, peer, place)) => {
                    let (tls, parser, input) = (tls.clone(), parser(), input.clone());
                    connections.spawn(async move {
                        let _place = place;
                        attend(stream, peer, tls, parser, input).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(protocol = input.protocol, %error, "a connection cannot be accepted");
                    sleep(NO_MORE).await;
                }
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note(ended);
    }
}

/// The next connection and its place, which comes first.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn attend<P: Parser, K: Sink>(stream: TcpStream, peer: SocketAddr, tls: Option<Tls>, parser: P, input: Input<K>) {
    let (protocol, counters) = (input.protocol, input.counters.clone());
    let _counted = counters.connection(protocol);
    let end = match tls {
        None => serve(stream, parser, input).await,
        Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, parser, input).await,
            Ok(Err(error)) => End::NoTls(error),
            Err(late) => End::NoTls(late.into()),
        },
    };
    if let Some(reason) = end.reason() {
        counters.closed(protocol, reason);
        tracing::debug!(protocol, %peer, %end, "a connection ended");
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panic) = ended {
        tracing::error!(error = %panic, "a connection ended by a fault of vigie");
    }
}
