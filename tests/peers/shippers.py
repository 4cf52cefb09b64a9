#!/usr/bin/env python3
"""Sends log lines to a vigie by the shippers that people use, stops and starts vigie in the middle, and counts.

    tests/peers/shippers.py --vigie target/release/vigie
    tests/peers/shippers.py --fetch                          # first gets what is missing of Debian, PyPI and npm
    tests/peers/shippers.py --only logger-lines es-python    # the light ones; --list names all

vigie starts with an empty folder, takes the first half of the lines, is killed (`--stop TERM`: told to stop) while shippers
send, and is started again on the same folder. Shippers that keep what was not taken get their lines all the time; those that
do not (logger, fluent-logger, pino-loki) send their first half before, and the second afterwards. Each shipper has a service
name of its own, and each line a number.

In the end the lines are counted by LogQL, read back one by one, and counted by template. A line that comes twice was
sent again by its shipper, because vigie was killed before it had answered. Exit: 0 if no line of any shipper is missing; 1
if one is; 2 if vigie did not start.

The OpenTelemetry collector is used if it is there as WORK/go/bin/col-f, of version 0.149.0 with the receiver `filelog`, the
processor `batch` and the exporter `otlphttp`.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve()
CACHE = os.environ.get("VIGIE_PEERS") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vigie/peers"
NODE_PACKAGES = ["@elastic/elasticsearch@9.4.3", "winston@3", "winston-loki@6.1.7", "pino@9", "pino-loki@3.0.0"]
# Two lists, because the packages of one shipper exclude those of the other when they are installed.
DEBIAN_PACKAGES = ["rsyslog rsyslog-elasticsearch", "syslog-ng-core syslog-ng-mod-http"]
NUMBER = re.compile(r"order (\d+) stored")
PAGE = 5000  # lines, the most that vigie and Loki give
PACE = 200  # lines per second and shipper
DOWN = 2.0  # seconds without vigie
PATIENCE = 90.0  # seconds until what was sent must be there


def text(number):
    return f"order {number} stored"


# ---- Clients in Python: run by the interpreter that has their packages, with a line of standard input for each log line.


def numbers():
    """Batches of what there is to send, at most 50 lines."""
    buffer = b""
    while chunk := os.read(0, 50 * 4):
        *whole, buffer = (buffer + chunk).split(b"\n")
        if whole:
            yield [int(number) for number in whole]


def acknowledged(batch):
    for number in batch:
        print(number, flush=True)


def run_es_python(service, base, _port):
    from elasticsearch import ApiError, ConnectionError, ConnectionTimeout, Elasticsearch, helpers

    client = Elasticsearch(f"{base}/elasticsearch", request_timeout=30)
    for batch in numbers():
        documents = [{"_op_type": "create", "_index": "shop", "@timestamp": int(time.time() * 1000), "message": text(number),
                      "log": {"level": "warn"}, "service": {"name": service}} for number in batch]
        while True:
            try:
                assert helpers.bulk(client, documents) == (len(batch), [])
                break
            except (ApiError, ConnectionError, ConnectionTimeout) as error:
                print(repr(error), file=sys.stderr)
                time.sleep(0.3)
        acknowledged(batch)


def run_otlp_grpc(service, base, _port):
    from opentelemetry._logs import SeverityNumber
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    class Watched(OTLPLogExporter):
        def export(self, batch):
            result = super().export(batch)
            if result.name == "SUCCESS":
                acknowledged(int(NUMBER.search(one.log_record.body)[1]) for one in batch)
            return result

    provider = LoggerProvider(resource=Resource.create({"service.name": service}))
    exporter = Watched(endpoint=base, insecure=True, timeout=60)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=200, max_export_batch_size=50))
    log = provider.get_logger("shop")
    for batch in numbers():
        for number in batch:
            log.emit(body=text(number), severity_number=SeverityNumber.WARN, attributes={"user": f"u{number}"})
    provider.force_flush(60_000)
    provider.shutdown()


def run_fluent_logger(service, _base, port):
    from fluent.sender import FluentSender

    sender = FluentSender("shop", host="127.0.0.1", port=int(port))
    for batch in numbers():
        for number in batch:
            assert sender.emit("orders", {"message": text(number), "level": "warn", "service": service}), sender.last_error
    sender.close()


CLIENTS = {"es-python": run_es_python, "otlp-grpc-python": run_otlp_grpc, "fluent-logger": run_fluent_logger}

# ---- Clients in JavaScript, likewise.

ES_NODE = """
const { Client } = require('@elastic/elasticsearch');
const [service, base] = process.argv.slice(2);
const client = new Client({ node: base + '/elasticsearch', maxRetries: 0 });
let waiting = [], ended = false;
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (line) => waiting.push(line)).on('close', () => { ended = true; });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  while (!ended || waiting.length) {
    const batch = waiting.splice(0, 50);
    if (!batch.length) { await sleep(50); continue; }
    const documents = batch.map((number) => ({ '@timestamp': new Date().toISOString(), message: `order ${number} stored`,
      log: { level: 'warn' }, service: { name: service } }));
    for (;;) {
      try {
        const operations = documents.flatMap((document) => [{ create: { _index: 'shop' } }, document]);
        const answer = await client.bulk({ operations });
        if (answer.errors) throw new Error(JSON.stringify(answer));
        break;
      } catch (error) { console.error(String(error)); await sleep(300); }
    }
    console.log(batch.join('\\n'));
  }
})();
"""

WINSTON_LOKI = """
const winston = require('winston');
const LokiTransport = require('winston-loki');
const [service, base] = process.argv.slice(2);
const transport = new LokiTransport({ host: base, labels: { service_name: service }, json: false, interval: 1,
  clearOnError: false, replaceTimestamp: false, format: winston.format.printf((info) => info.message),
  onConnectionError: (error) => console.error(String(error)) });
const logger = winston.createLogger({ level: 'info', transports: [transport] });
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (number) => logger.warn(`order ${number} stored`))
  .on('close', () => setTimeout(() => transport.close(() => process.exit(0)), 200));
"""

# What it writes to standard output goes into `pino-loki`, which sends once in a second and nothing at the end of its input.
PINO_LOKI = """
const logger = require('pino')();
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (number) => logger.warn({ user: `u${number}` }, `order ${number} stored`))
  .on('close', () => setTimeout(() => process.exit(0), 3000));
"""

# ---- Configurations of the programs that tail a file.

RSYSLOG = """
global(workDirectory="{folder}")
module(load="imfile")
module(load="omelasticsearch")
template(name="vigie" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="service" name="programname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
input(type="imfile" file="{file}" tag="{service}:" severity="warning" facility="local0")
action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" searchIndex="syslog" searchType="" bulkmode="on"
  template="vigie" queue.type="LinkedList" queue.dequeuebatchsize="100" action.resumeRetryCount="-1" action.resumeInterval="1"
  errorfile="{folder}/refused")
"""

SYSLOG_NG = """
@version: 3.38
options {{ stats-freq(0); time-reopen(1); keep-timestamp(yes); }};
source lines {{ file("{file}" follow-freq(0.2) flags(no-parse) program-override("{service}")
  default-priority(warning) default-facility(local0)); }};
rewrite json {{
  subst("\\\\", "\\\\\\\\", value("MESSAGE") flags(global) type("string"));
  subst('"', '\\\\"', value("MESSAGE") flags(global) type("string"));
}};
destination vigie {{ http(
  url("{base}/loki/api/v1/push") method("POST") headers("Content-Type: application/json")
  body-prefix('{{"streams":[') delimiter(",") body-suffix("]}}") batch-lines(100) batch-timeout(200) retries(1000)
  body('{{"stream":$(format-json service="$PROGRAM" host="$HOST" level="$LEVEL"),"values":[["${{R_UNIXTIME}}${{R_USEC}}000","$MSG"]]}}')
); }};
log {{ source(lines); rewrite(json); destination(vigie); flags(flow-control); }};
"""

COLLECTOR = """
receivers:
  filelog:
    include: ["{file}"]
    start_at: beginning
    poll_interval: 200ms
    resource: {{service.name: {service}}}
    operators:
      - {{type: severity_parser, parse_from: attributes.level, if: 'attributes.level != nil'}}
processors:
  batch: {{timeout: 200ms, send_batch_size: 100}}
exporters:
  otlphttp:
    endpoint: {base}
    retry_on_failure: {{enabled: true, initial_interval: 500ms, max_interval: 1s, max_elapsed_time: 0s}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [filelog], processors: [batch], exporters: [otlphttp]}}
"""


class Missing(Exception):
    """A shipper is not on this machine."""


class Shipper:
    """One shipper: how it runs, and what it was given."""

    keeps = True  # what was not taken, and sends it again

    def __init__(self, name, run):
        self.name, self.run, self.sent, self.process = name, run, 0, None
        self.folder = run.folder / name
        self.folder.mkdir()
        self.version = self.find()

    def spawn(self, command, **more):
        errors = open(self.folder / "stderr", "ab")
        out = open(self.folder / "stdout", "ab")
        self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=errors, cwd=self.folder, **more)

    def finish(self):
        """Ends it, when what it was given should be there."""
        if self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()

    def acknowledged(self):
        """Numbers that the shipper said were taken; None if it does not tell."""
        return None


class Piped(Shipper):
    """A client library in a program that reads from standard input."""

    tells = True

    def start(self):
        self.spawn(self.command(), stdin=subprocess.PIPE, env=os.environ | self.environment())

    def environment(self):
        return {}

    def give(self, batch):
        self.process.stdin.write("".join(f"{number}\n" for number in batch).encode())
        self.process.stdin.flush()
        self.sent += len(batch)

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def acknowledged(self):
        return {int(number) for number in (self.folder / "stdout").read_text().split()} if self.tells else None


class Python(Piped):
    def find(self):
        package, self.keeps, self.tells = {
            "es-python": ("elasticsearch", True, True),
            "otlp-grpc-python": ("opentelemetry-exporter-otlp-proto-grpc", True, True),
            "fluent-logger": ("fluent-logger", False, False),
        }[self.name]
        self.python = self.run.work / "clients/bin/python"
        if not self.python.exists():
            raise Missing(f"no {self.python} (tests/peers/clients makes it)")
        code = f"import importlib.metadata as m; print(m.version('{package}'))"
        return output([self.python, "-c", code])

    def command(self):
        return [self.python, HERE, "--client", self.name, self.run.base, str(self.run.forward)]


class Node(Piped):
    def find(self):
        package, code, self.keeps, self.tells = {
            "es-node": ("@elastic/elasticsearch", ES_NODE, True, True),
            "winston-loki": ("winston-loki", WINSTON_LOKI, True, False),
            "pino-loki": ("pino-loki", PINO_LOKI, False, False),
        }[self.name]
        about = self.run.work / "node/node_modules" / package / "package.json"
        if not about.exists() or not shutil.which("node"):
            raise Missing(f"no node or no {about.parent}")
        (self.folder / "client.cjs").write_text(code)
        (self.folder / "node_modules").symlink_to(self.run.work / "node/node_modules")
        return json.loads(about.read_text())["version"]

    def command(self):
        command = ["node", self.folder / "client.cjs", self.name, self.run.base]
        if self.name == "pino-loki":
            shipper = ["node_modules/.bin/pino-loki", "--hostname", self.run.base, "--batching-interval", "1",
                       "--labels", json.dumps({"service_name": self.name})]
            command = ["sh", "-c", f"{shlex.join(map(str, command))} | {shlex.join(shipper)}"]
        return command


class Logger(Shipper):
    """`logger` of util-linux, in one of the framings of RFC 6587."""

    keeps = False

    def find(self):
        if not shutil.which("logger"):
            raise Missing("no logger")
        return output(["logger", "--version"]).rsplit(" ", 1)[-1]

    def start(self):
        framing = ["--octet-count"] if self.name == "logger-octets" else []
        self.spawn(["logger", "--server", "127.0.0.1", "--port", self.run.syslog, "--tcp", "--rfc5424", *framing,
                    "--tag", self.name, "--priority", "user.warning"], stdin=subprocess.PIPE)

    end = Piped.end

    def give(self, batch):
        self.process.stdin.write("".join(f"{text(number)}\n" for number in batch).encode())
        self.sent += len(batch)


class Tail(Shipper):
    """A program that follows a file."""

    def start(self):
        self.file = self.folder / "lines.log"
        self.file.touch()
        (self.folder / "conf").write_text(self.configuration.format(
            folder=self.folder, file=self.file, service=self.name, base=self.run.base, port=self.run.http))
        self.spawn(self.command(), env=os.environ | self.environment())

    def environment(self):
        return {}

    def give(self, batch):
        with self.file.open("a") as file:
            file.write("".join(f"{text(number)}\n" for number in batch))
        self.sent += len(batch)

    def end(self):
        pass


class Debian(Tail):
    """One of the two of Debian, unpacked and not installed."""

    def find(self):
        self.tree = self.run.work / "bw/tree"
        self.program = self.tree / "usr/sbin" / {"rsyslog": "rsyslogd", "syslog-ng": "syslog-ng"}[self.name]
        if not self.program.exists():
            raise Missing(f"no {self.program}")
        self.configuration = {"rsyslog": RSYSLOG, "syslog-ng": SYSLOG_NG}[self.name]
        self.libraries = next((self.tree / "usr/lib").glob("*-linux-gnu"))
        self.modules = next((self.tree / "usr/lib/syslog-ng").glob("[0-9]*"), None)
        flag = "-v" if self.name == "rsyslog" else "--version"
        about = output([self.program, flag], self.environment())
        return re.search(r"\d+\.\d+[.\d]*", about.replace("syslog-ng 3 (", ""))[0]

    def environment(self):
        machine = self.libraries.name
        folders = [self.libraries, self.tree / "lib" / machine, self.modules, self.tree / "usr/lib/syslog-ng"]
        return {"LD_LIBRARY_PATH": ":".join(str(folder) for folder in folders)}

    def command(self):
        here = self.folder
        if self.name == "rsyslog":
            return [self.program, "-n", "-M", self.libraries / "rsyslog", "-f", here / "conf", "-i", here / "pid"]
        return [self.program, "-F", "--no-caps", "-f", here / "conf", f"--module-path={self.modules}",
                f"--persist-file={here}/persist", f"--pidfile={here}/pid", f"--control={here}/control"]


class Collector(Tail):
    configuration = COLLECTOR

    def find(self):
        self.program = self.run.work / "go/bin/col-f"
        if not self.program.exists():
            raise Missing(f"no {self.program}")
        return output([self.program, "--version"]).rsplit(" ", 1)[-1]

    def command(self):
        return [self.program, "--config", self.folder / "conf"]


SHIPPERS = {"rsyslog": Debian, "syslog-ng": Debian, "logger-lines": Logger, "logger-octets": Logger, "es-python": Python,
            "es-node": Node, "winston-loki": Node, "pino-loki": Node, "otel-collector": Collector,
            "otlp-grpc-python": Python, "fluent-logger": Python}


def output(command, environment=None):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True,
                            env=os.environ | (environment or {}))
    return result.stdout.strip() or result.stderr.strip()


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Run:
    """A vigie of its own, and the shippers that send to it."""

    def __init__(self, arguments, folder):
        self.folder, self.work, self.vigie = folder, pathlib.Path(arguments.work).resolve(), arguments.vigie
        self.http, self.syslog, self.forward = free_port(), free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.http}"
        self.process = None
        (folder / "vigie.yaml").write_text(
            f"logs:\n  syslog:\n    - {{listen: 127.0.0.1:{self.syslog}}}\n"
            f"    - {{listen: 127.0.0.1:{self.syslog}, protocol: udp}}\n"
            f"  forward:\n    - {{listen: 127.0.0.1:{self.forward}}}\n")

    def start(self):
        log = open(self.folder / "vigie.log", "ab")
        self.process = subprocess.Popen([self.vigie, "serve", "--config", self.folder / "vigie.yaml", "--listen",
                                         f"127.0.0.1:{self.http}", "--data-dir", self.folder / "data"], stdout=log, stderr=log)
        started = time.monotonic()
        while time.monotonic() - started < 60:
            with contextlib.suppress(OSError):
                self.get("/-/ready")
                return time.monotonic() - started
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        print((self.folder / "vigie.log").read_text(), file=sys.stderr)
        raise SystemExit(2)

    def stop(self, how):
        self.process.send_signal(how)
        return self.process.wait(60)

    def get(self, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(self.base + path + query, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] == b"{" else body

    def counts(self):
        """Lines by service, as LogQL counts them."""
        query = 'sum by (service) (count_over_time({service=~".+"}[1h]))'
        rows = self.get("/loki/api/v1/query", query=query)["data"]["result"]
        return {row["metric"]["service"]: int(float(row["value"][1])) for row in rows}

    def lines(self, service):
        """All lines of a service, page by page, as (stream, time, text). A page begins with the last time of the one before."""
        begin, end, found, seen = time.time_ns() - 3600 * 10**9, time.time_ns() + 3600 * 10**9, [], 0
        while True:
            page = self.get("/loki/api/v1/query_range", query=f'{{service="{service}"}}', direction="forward", limit=PAGE,
                            start=begin, end=end)["data"]["result"]
            rows = [(int(value[0]), stream["stream"], value[1]) for stream in page for value in stream["values"]]
            rows.sort(key=lambda row: row[0])
            found += rows[seen:]
            if len(rows) < PAGE:
                return found
            # Lines of the last time that are here already come again, in the same order. There must be fewer than a page
            # of them: fluent-logger knows whole seconds alone.
            assert rows[-1][0] > begin, f"more than {PAGE} lines of {service} at one time"
            begin, seen = rows[-1][0], sum(row[0] == rows[-1][0] for row in rows)


def settled(run, shippers, patience):
    """Waits until all that was sent is found, or nothing more comes."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        counts = run.counts()
        if all(counts.get(shipper.name, 0) >= shipper.sent for shipper in shippers):
            break
        time.sleep(0.5)


def halves(run, shippers, lines, how):
    """Sends all lines, and stops and starts vigie in the middle."""
    plain = [shipper for shipper in shippers if not shipper.keeps]
    keeping = [shipper for shipper in shippers if shipper.keeps]
    half = lines // 2

    def send_plain(numbers):
        for shipper in plain:
            shipper.start()
            shipper.give(numbers)
        for shipper in plain:
            shipper.end()
        settled(run, plain, 20)

    send_plain(range(half))
    for shipper in keeping:
        shipper.start()
    step, started, down = PACE // 10, time.monotonic(), None
    for at in range(0, lines, step):
        for shipper in keeping:
            shipper.give(range(at, min(at + step, lines)))
        if at < half <= at + step:
            status = run.stop(how)
            down = time.monotonic()
            print(f"vigie ended with {status}", file=sys.stderr)
        elif down and time.monotonic() - down > DOWN:
            print(f"vigie is ready again after {run.start():.2f} s", file=sys.stderr)
            down = None
        time.sleep(max(0.0, started + (at + step) / PACE - time.monotonic()))
    if down:
        print(f"vigie is ready again after {run.start():.2f} s", file=sys.stderr)
    for shipper in keeping:
        shipper.end()
    settled(run, keeping, PATIENCE)
    send_plain(range(half, lines))


def report(run, shippers):
    """Prints the table and a line of each shipper; says how many lines are missing."""
    counts, rows, examples, missing = run.counts(), [], [], 0
    for shipper in shippers:
        lines = run.lines(shipper.name)
        found = [int(match[1]) for _, _, line in lines if (match := NUMBER.search(line))]
        acknowledged = shipper.acknowledged()
        lost = set(range(shipper.sent)) - set(found)
        templates = run.get("/api/v1/templates", service=shipper.name)
        rows.append([shipper.name, shipper.version, shipper.sent, "-" if acknowledged is None else len(acknowledged),
                     counts.get(shipper.name, 0), len(lines), len(set(found)), len(lost), len(found) - len(set(found)),
                     templates["lines"]])
        missing += len(lost)
        if lost:
            held = "" if acknowledged is None else f", of which acknowledged: {sorted(lost & acknowledged)[:20]}"
            print(f"{shipper.name}: lost {sorted(lost)[:20]}{held}; see {shipper.folder}/stderr", file=sys.stderr)
        if lines:
            template = templates["items"][0] if templates["items"] else {}
            examples.append((shipper.name, lines[-1], template))
    head = ["shipper", "version", "sent", "acked", "counted", "read", "distinct", "lost", "twice", "templates"]
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    for name, (at, stream, line), template in examples:
        print(f"\n{name}: {line}\n  {json.dumps(stream)}\n  at {at}; template {template.get('template')!r}, "
              f"severity {template.get('severity')}, lines {template.get('lines')}")
    return missing


def fetch(work):
    """Gets the packages of Debian, PyPI and npm; what cannot be had is said, and skipped later."""
    def run(*command, **more):
        try:
            return subprocess.run(command, check=True, **more)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"could not fetch: {error}", file=sys.stderr)
            return None

    run("sh", HERE.parent / "clients", env=os.environ | {"VIGIE_PEERS": str(work)}, stdout=subprocess.DEVNULL)
    if not (work / "node/node_modules").exists():
        (work / "node").mkdir(parents=True, exist_ok=True)
        (work / "node/package.json").write_text('{"private": true}')
        run("npm", "install", "--no-audit", "--no-fund", "--no-save", *NODE_PACKAGES, cwd=work / "node")
    if (work / "bw/tree").exists():
        return
    debs = work / "bw/debs"
    debs.mkdir(parents=True, exist_ok=True)
    for packages in DEBIAN_PACKAGES:
        listing = run("apt-get", "-s", "install", "--no-install-recommends", *packages.split(), capture_output=True, text=True)
        names = re.findall(r"^Inst (\S+)", listing.stdout, re.M) if listing else []
        run("apt-get", "-q", "download", *(names or packages.split()), cwd=debs)
    for deb in debs.glob("*.deb"):
        run("dpkg-deb", "-x", deb, work / "bw/tree")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vigie", default="target/release/vigie", metavar="PATH", help="the program (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=SHIPPERS, metavar="NAME", help="only these shippers")
    parser.add_argument("--lines", type=int, default=2000, metavar="N", help="lines of each shipper (default: %(default)s)")
    parser.add_argument("--work", default=str(CACHE), metavar="DIR", help="where peers are kept (default: %(default)s)")
    parser.add_argument("--stop", choices=["KILL", "TERM"], default="KILL", help="how vigie ends (default: %(default)s)")
    parser.add_argument("--fetch", action="store_true", help="get the shippers that are missing")
    parser.add_argument("--keep", action="store_true", help="leave vigie running and the folder there, for a look at it")
    parser.add_argument("--list", action="store_true", help="name the shippers")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        return CLIENTS[arguments.client[0]](*arguments.client)
    if arguments.list:
        return print("\n".join(SHIPPERS))
    if arguments.fetch:
        fetch(pathlib.Path(arguments.work).resolve())
    arguments.vigie = shutil.which(arguments.vigie) or parser.error(f"no program {arguments.vigie}")
    # Ends what runs also when it is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vigie-shippers-"))
    run, shippers = Run(arguments, folder), []
    for name in arguments.only or SHIPPERS:
        try:
            shippers.append(SHIPPERS[name](name, run))
        except (Missing, subprocess.CalledProcessError, StopIteration) as why:
            print(f"skipped: {name}: {why}", file=sys.stderr)
    if not shippers:
        return 0
    missing = None
    try:
        run.start()
        halves(run, shippers, arguments.lines, getattr(signal, f"SIG{arguments.stop}"))
        missing = report(run, shippers)
    finally:
        for shipper in shippers:
            shipper.finish()
        if arguments.keep:
            print(f"vigie {run.process.pid} runs at {run.base} in {folder}", file=sys.stderr)
        else:
            run.stop(signal.SIGTERM)
            if missing == 0:
                shutil.rmtree(folder)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
