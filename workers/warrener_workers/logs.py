"""Logging: the standard module, with the running job in each line."""

from __future__ import annotations

import logging
import sys
import time
from typing import Literal

import orjson

from .running import current_job

LogFormat = Literal["text", "json"]
FIELDS = ("job", "task", "queue", "attempt")


def configure(level: str, form: str, worker: str) -> None:
    """Log to standard error, one line each, at `level`, as `form`: text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_job)
    handler.setFormatter(JsonLines(worker) if form == "json" else TextLines(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _add_job(record: logging.LogRecord) -> bool:
    job = current_job.get()
    if job is not None and not hasattr(record, "job"):
        record.job, record.task = job.id, job.task
        record.queue, record.attempt = job.queue, job.attempt
    return True


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "worker": self._worker,
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextLines(logging.Formatter):
    """Lines for people."""

    def __init__(self, worker: str) -> None:
        self.converter = time.gmtime
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        text = super().format(record)
        first, newline, rest = text.partition("\n")
        return f"{first} [{self._worker}{' ' + facts if facts else ''}]{newline}{rest}"
