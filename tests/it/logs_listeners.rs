//! Log lines from real senders to the ports beside HTTP: `logger` by syslog, and clients of Fluent forward and OTLP by gRPC.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Vigie, binary, clients, free_port, skip, wait_for};

/// Longest wait for lines that were sent.
const SOON: Duration = Duration::from_secs(30);

/// A vigie with all listeners.
struct Inputs {
    vigie: Vigie,
    syslog: u16,
    datagrams: u16,
    forward: u16,
    grpc: u16,
}

impl Inputs {
    fn start() -> Self {
        let [syslog, datagrams, forward, grpc] = std::array::from_fn(|_| free_port());
        let config = format!(
            "logs:\n  syslog:\n  - {{listen: '127.0.0.1:{syslog}'}}\n  - {{listen: '127.0.0.1:{datagrams}', protocol: udp}}\n  \
             forward:\n  - {{listen: '127.0.0.1:{forward}', tenant: shop}}\n  otlp_grpc: 127.0.0.1:{grpc}\n"
        );
        let mut vigie = Vigie::launch(TempDir::new().unwrap(), &format!("127.0.0.1:{}", free_port()), &config);
        vigie.wait_until_ready();
        Self { vigie, syslog, datagrams, forward, grpc }
    }

    /// Lines kept so far of a protocol.
    fn lines(&self, protocol: &str) -> u64 {
        self.vigie.metric(&format!("vigie_log_lines_received_total{{protocol=\"{protocol}\"}} "))
    }

    /// Waits until so many lines of a protocol are kept.
    fn wait_for_lines(&self, protocol: &str, count: u64) {
        wait_for(&format!("{count} lines by {protocol}"), SOON, || (self.lines(protocol) >= count).then_some(()));
        assert_eq!(self.lines(protocol), count);
    }
}

#[test]
fn what_logger_sends_is_kept() {
    if Command::new("logger").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("what_logger_sends_is_kept", "no logger (util-linux) here");
    }
    let inputs = Inputs::start();
    let (tcp, udp) = (inputs.syslog.to_string(), inputs.datagrams.to_string());
    let mut sent = 0;
    for arguments in [
        &["-P", &tcp, "-T", "--rfc5424"][..],
        &["-P", &tcp, "-T", "--rfc5424", "--octet-count"],
        &["-P", &tcp, "-T", "--rfc3164"],
        &["-P", &tcp, "-T", "--rfc3164", "--octet-count"],
        &["-P", &udp, "-d", "--rfc5424"],
        &["-P", &udp, "-d", "--rfc3164"],
    ] {
        let mut logger = Command::new("logger");
        logger.args(["-n", "127.0.0.1", "-t", "shop", "-p", "daemon.warning"]).args(arguments);
        let mut logger = logger.stdin(Stdio::piped()).spawn().unwrap();
        logger.stdin.take().unwrap().write_all(b"one\ntwo with 3 words\nthree\n").unwrap();
        assert!(logger.wait().unwrap().success(), "{arguments:?}");
        sent += 3;
        inputs.wait_for_lines("syslog", sent);
    }
    inputs.vigie.stop();
}

#[test]
fn fluent_events_are_acknowledged_and_lines_read_before_sigterm_are_kept() {
    let inputs = Inputs::start();
    let mut forward = TcpStream::connect(("127.0.0.1", inputs.forward)).unwrap();
    // ["app", 1700000000, {"log": "one"}, {"chunk": "a1"}]
    forward.write_all(b"\x94\xa3app\xce\x65\x53\xf1\x00\x81\xa3log\xa3one\x81\xa5chunk\xa2a1").unwrap();
    let mut ack = [0; 8];
    forward.read_exact(&mut ack).unwrap();
    assert_eq!(ack, *b"\x81\xa3ack\xa2a1");
    assert_eq!(inputs.lines("forward"), 1);
    let mut syslog = TcpStream::connect(("127.0.0.1", inputs.syslog)).unwrap();
    syslog.write_all(b"<13>one\n<13>two\n").unwrap();
    inputs.wait_for_lines("syslog", 2);
    // Connections that are open do not hold up the end.
    inputs.vigie.stop();
    assert_eq!(syslog.read(&mut ack).unwrap(), 0);
    assert_eq!(forward.read(&mut ack).unwrap(), 0);
}

#[test]
fn hostile_bytes_at_every_port_leave_it_serving() {
    let inputs = Inputs::start();
    let noise: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for port in [inputs.syslog, inputs.forward, inputs.grpc] {
        for bytes in [
            &noise[..],
            b"99999999999 <",
            b"\xdd\xff\xff\xff\xff",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff",
            b"",
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            // It may be closed while we write.
            let _ = stream.write_all(bytes);
        }
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 1_000, 60_000] {
        socket.send_to(&noise[..length], ("127.0.0.1", inputs.datagrams)).unwrap();
    }
    inputs.vigie.assert_healthy();
    let before = inputs.lines("forward");
    let mut forward = TcpStream::connect(("127.0.0.1", inputs.forward)).unwrap();
    forward.write_all(b"\x93\xa3app\xce\x65\x53\xf1\x00\x81\xa3log\xa3one").unwrap();
    wait_for("a line after the noise", SOON, || (inputs.lines("forward") > before).then_some(()));
    inputs.vigie.stop();
}

#[test]
fn an_address_that_is_taken_ends_the_start() {
    let dir = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = dir.path().join("vigie.yaml");
    fs::write(&config, format!("logs: {{syslog: [{{listen: '{}'}}]}}\n", taken.local_addr().unwrap())).unwrap();
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
    let output = command.arg("--data-dir").arg(dir.path().join("data")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("logs.syslog[0].listen: cannot listen on"), "{error}");
}

/// Runs a program of a client library.
fn run(python: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(python).args(["-c", program]).args(arguments).output().unwrap();
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{out}{error}");
}

#[test]
fn the_fluent_logger_of_python() {
    let Some(python) = clients("the_fluent_logger_of_python") else { return };
    let inputs = Inputs::start();
    let program = r#"
import sys
from fluent import sender
for precision in (False, True):
    with sender.FluentSender("app", host="127.0.0.1", port=int(sys.argv[1]), nanosecond_precision=precision) as logger:
        for i in range(50):
            assert logger.emit("web", {"message": f"request {i} took {i} ms", "level": "info"}), logger.last_error
"#;
    run(&python, program, &[&inputs.forward.to_string()]);
    inputs.wait_for_lines("forward", 100);
    inputs.vigie.stop();
}

#[test]
fn the_otlp_exporter_of_python_by_grpc() {
    let Some(python) = clients("the_otlp_exporter_of_python_by_grpc") else { return };
    let inputs = Inputs::start();
    let program = r#"
import logging, sys
import grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

for endpoint, compression in [(e, c) for e in sys.argv[1:] for c in (grpc.Compression.NoCompression, grpc.Compression.Gzip)]:
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPLogExporter(endpoint=endpoint, insecure=True, compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.Logger("app")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for i in range(100):
        logger.warning("request %d failed", i)
    provider.shutdown()
"#;
    let own = format!("http://127.0.0.1:{}", inputs.grpc);
    run(&python, program, &[&inputs.vigie.url(""), &own]);
    inputs.wait_for_lines("otlp_grpc", 400);
    let metrics = r#"
import sys
import grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    for service, says in (("metrics.v1.MetricsService", "remote write"), ("trace.v1.TraceService", "no traces")):
        call = channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")
        try:
            call(b"", timeout=30)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED and says in error.details(), error
        else:
            raise AssertionError(service)
    call = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
    assert call(b"", timeout=30) == b""
    try:
        call(b"\x0a\x7f", timeout=30)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "malformed protobuf" in error.details(), error
    else:
        raise AssertionError("malformed")
"#;
    run(&python, metrics, &[inputs.vigie.address()]);
    inputs.vigie.stop();
}
