"""An app that is traced: each process writes its spans, one JSON document a line, to the folder `YARD`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from warrener import Retry, Warrener, tracing


class ToFile(SpanExporter):
    """Appends to the file `spans`."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        lines = b"".join(span.to_json(indent=None).encode() + b"\n" for span in spans)
        path = Path(os.environ["YARD"]) / "spans"
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, lines)
        finally:
            os.close(file)
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ToFile()))
otel.set_tracer_provider(provider)

app = Warrener(default_queue="yard")
tracing.trace(app)


@app.task(name="traced.first", retry=Retry(1, base=0.1, jitter=0))
async def first(number: int) -> int:
    """It fails once, then sends another job."""
    if not (Path(os.environ["YARD"]) / "failed").exists():
        (Path(os.environ["YARD"]) / "failed").touch()
        raise ConnectionError("once")
    await second.send(number)
    return number


@app.task(name="traced.second")
def second(number: int) -> int:
    return number + 1


@app.task(name="traced.third")
def third(number: int) -> int:
    return number + 1
