//! Real sockets.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};

use super::*;
use crate::{
    config::{Logs, SyslogInput, Transport},
    server::listeners::{Listeners, syslog::Syslog, tcp, tls::Tls, udp},
};

async fn listen(input: &Input<Fake>, tls: Option<Tls>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(tcp::listen(listener, tls, Syslog::new, input.clone())))
}

#[tokio::test]
async fn connections_over_the_limit_wait_and_lose_nothing() {
    let (input, word) = input(SYSLOG);
    let (address, listening) = listen(&input, None).await;
    let mut senders = Vec::new();
    for at in 0..4 {
        let mut sender = TcpStream::connect(address).await.unwrap();
        sender.write_all(format!("<13>{at}\n").as_bytes()).await.unwrap();
        senders.push(sender);
    }
    assert_eq!(input.sink.wait_for(2).await.len(), 2);
    assert_eq!(counter(&input.counters, "log_connections{protocol=\"syslog\"}"), 2);
    drop(senders);
    let mut lines = input.sink.wait_for(4).await;
    lines.sort();
    assert_eq!(lines, ["0", "1", "2", "3"]);
    until(|| counter(&input.counters, "log_connections{protocol=\"syslog\"}") == 0).await;
    drop(word);
    listening.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_stop_ends_connections_that_go_on() {
    let (input, word) = input(SYSLOG);
    let (address, listening) = listen(&input, None).await;
    let mut sender = TcpStream::connect(address).await.unwrap();
    sender.write_all(b"<13>one\n").await.unwrap();
    input.sink.wait_for(1).await;
    drop(word);
    listening.await.unwrap();
    assert_eq!(sender.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn datagrams_are_messages_and_those_read_are_kept_at_the_stop() {
    let (input, word) = input(SYSLOG);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listening = tokio::spawn(udp::listen(socket, input.clone()));
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for message in ["<13>1 - h app - - - one", "", "<13>Nov 14 22:13:20 h app: two\nlines\n"] {
        sender.send_to(message.as_bytes(), address).await.unwrap();
    }
    assert_eq!(input.sink.wait_for(2).await, ["one", "two\nlines"]);
    drop(word);
    listening.await.unwrap();
}

#[tokio::test]
async fn datagrams_that_find_no_room_are_counted() {
    let (input, word) = input(SYSLOG);
    input.sink.hold_up(NotReady::Busy);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listening = tokio::spawn(udp::listen(socket, input.clone()));
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dropped = || counter(&input.counters, "log_lines_dropped_total{protocol=\"syslog\",reason=\"overload\"}");
    let message = [&b"<13>app: "[..], &[b'x'; 32 << 10]].concat();
    let mut sent = 0;
    while dropped() == 0 {
        sender.send_to(&message, address).await.unwrap();
        sent += 1;
        tokio::task::yield_now().await;
    }
    input.sink.hold_up(None);
    drop(word);
    listening.await.unwrap();
    let kept = input.sink.lines().len() as u64;
    assert!(kept > 0 && kept + dropped() <= sent, "{kept} kept and {} dropped of {sent}", dropped());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_its_entry() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let entry = |protocol| SyslogInput { listen, protocol, tenant: "default".to_owned(), tls: None };
    let config = Logs { syslog: vec![entry(Transport::Udp), entry(Transport::Tcp)], ..Logs::default() };
    let error = Listeners::bind(&config).await.unwrap_err();
    assert_eq!(error.to_string(), format!("logs.syslog[1].listen: cannot listen on {listen}"));
    let config = Logs { otlp_grpc: Some(listen), ..Logs::default() };
    let error = Listeners::bind(&config).await.unwrap_err();
    assert_eq!(error.to_string(), format!("logs.otlp_grpc: cannot listen on {listen}"));
}

#[cfg(feature = "tls")]
mod tls {
    use std::{
        path::{Path, PathBuf},
        sync::Arc,
    };

    use rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    };
    use tokio_rustls::{TlsConnector, client::TlsStream};

    use super::*;
    use crate::config::TlsFiles;

    /// A certificate for localhost that signs itself, and its key. It protects nothing. (Tests run in the folder of the project.)
    fn file(name: &str) -> PathBuf {
        Path::new("src/server/listeners/fixtures").join(name)
    }

    fn files() -> TlsFiles {
        TlsFiles { cert: file("cert.pem"), key: file("key.pem"), client_ca: None }
    }

    /// Connects, with a certificate of its own if asked.
    async fn connect(address: SocketAddr, with_certificate: bool) -> std::io::Result<TlsStream<TcpStream>> {
        let certificate = CertificateDer::from_pem_file(file("cert.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = if with_certificate {
            let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        } else {
            config.with_no_client_auth()
        };
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    #[tokio::test]
    async fn messages_by_tls_are_kept_and_plain_text_is_refused() {
        let (input, _word) = input(SYSLOG);
        let (address, _listening) = listen(&input, Some(Tls::load(&files()).unwrap())).await;
        let mut sender = connect(address, false).await.unwrap();
        sender.write_all(b"23 <13>1 - h app - - - one").await.unwrap();
        sender.flush().await.unwrap();
        assert_eq!(input.sink.wait_for(1).await, ["one"]);
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"<13>two\n").await.unwrap();
        let refused = "log_connections_closed_total{protocol=\"syslog\",reason=\"tls\"}";
        until(|| counter(&input.counters, refused) == 1).await;
        assert_eq!(input.sink.lines(), ["one"]);
    }

    #[tokio::test]
    async fn senders_need_a_certificate_where_that_is_asked() {
        let (input, _word) = input(SYSLOG);
        let files = TlsFiles { client_ca: Some(file("cert.pem")), ..files() };
        let (address, _listening) = listen(&input, Some(Tls::load(&files).unwrap())).await;
        let refused = "log_connections_closed_total{protocol=\"syslog\",reason=\"tls\"}";
        // With TLS 1.3 a client believes that all is well until it reads.
        let mut stranger = connect(address, false).await.unwrap();
        let _ = stranger.write_all(b"<13>stranger\n").await;
        until(|| counter(&input.counters, refused) == 1).await;
        let mut sender = connect(address, true).await.unwrap();
        sender.write_all(b"<13>one\n").await.unwrap();
        sender.flush().await.unwrap();
        assert_eq!(input.sink.wait_for(1).await, ["one"]);
    }

    #[tokio::test]
    async fn files_that_cannot_work_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no PEM\n").unwrap();
        for (files, text) in [
            (TlsFiles { cert: "none.pem".into(), ..files() }, "cannot read a certificate in PEM from none.pem"),
            (TlsFiles { cert: empty.clone(), ..files() }, "empty.pem holds no certificate in PEM"),
            (TlsFiles { key: file("cert.pem"), ..files() }, "cannot read a private key in PEM from"),
            (TlsFiles { client_ca: Some(empty.clone()), ..files() }, "empty.pem holds no certificate in PEM"),
        ] {
            let entry = SyslogInput {
                listen: ([127, 0, 0, 1], 0).into(),
                protocol: Transport::Tcp,
                tenant: "default".to_owned(),
                tls: Some(files),
            };
            let config = Logs { syslog: vec![entry], ..Logs::default() };
            let error = Listeners::bind(&config).await.unwrap_err().to_string();
            assert!(error.starts_with("logs.syslog[0].tls: ") && error.contains(text), "{error} should say {text}");
        }
    }
}
