"""Ships log lines to the vigie whose URL is given, by each client as a program uses it. Fails when one is not content.

Prints how many lines were taken, by protocol.
"""

import datetime
import json
import logging
import sys

import logging_loki
from elasticsearch import Elasticsearch, helpers
from opensearchpy import OpenSearch
from opensearchpy import helpers as open_helpers
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

LINES = 250
base = sys.argv[1]
taken = {"elasticsearch": 0, "loki": 0, "otlp": 0}


def document(number):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {"_index": "logs-cart", "@timestamp": now, "message": f"order {number} stored", "service": {"name": "cart"}}


def bulk(client, bulk):
    info = client.info()
    assert info["tagline"].startswith("You Know"), info
    assert client.ping() and client.cluster.health()["status"] == "green"
    documents = [document(number) | {"_op_type": "create"} for number in range(LINES)]
    assert bulk(client, documents, chunk_size=100) == (LINES, [])
    # What is not for logs is refused by itself, and the client hears of it.
    mixed = [{"_op_type": "delete", "_index": "logs-cart", "_id": "1"}, document(0)]
    done, errors = bulk(client, mixed, raise_on_error=False)
    assert (done, [error["delete"]["status"] for error in errors]) == (1, [400]), (done, errors)
    taken["elasticsearch"] += LINES + 1


for url in [base, f"{base}/elasticsearch"]:
    bulk(Elasticsearch(url, http_compress=url != base), helpers.bulk)
    bulk(OpenSearch(url, http_compress=url != base), open_helpers.bulk)


class Strict(logging_loki.LokiHandler):
    def handleError(self, record):
        raise


handler = Strict(url=f"{base}/loki/api/v1/push", tags={"service": "cart"}, version="1")
logger = logging.getLogger("cart")
logger.addHandler(handler)
for number in range(20):
    logger.error("payment %d of jane@example.com refused", number, extra={"tags": {"pod": f"cart-{number % 3}"}})
    taken["loki"] += 1


class Watched(OTLPLogExporter):
    def export(self, batch):
        result = super().export(batch)
        assert result.name == "SUCCESS", result
        taken["otlp"] += len(batch)
        return result


for path, compression in [("v1/logs", Compression.NoCompression), ("otlp/v1/logs", Compression.Gzip)]:
    provider = LoggerProvider(resource=Resource.create({"service.name": "cart"}))
    exporter = Watched(endpoint=f"{base}/{path}", compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    log = provider.get_logger("shop")
    for number in range(LINES):
        log.emit(body=f"order {number} stored", severity_number=SeverityNumber.WARN, attributes={"user": f"u{number}"})
    assert provider.force_flush()
    provider.shutdown()

assert taken["otlp"] == 2 * LINES, taken
print(json.dumps(taken))
