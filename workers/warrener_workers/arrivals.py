"""What arrives, as jobs: whether aiormq read it, message by message, or the fast transport, in batches."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiormq import spec
from pamqp.decode import field_table
from pamqp.header import ContentHeader

from warrener import topology
from warrener.dead_letters import is_letter
from warrener.diverting import Diverted
from warrener.messages import CONTENT_TYPE, Foreign, Malformed, Message, Seal, decode, job_of
from warrener.reading import readable
from warrener.settings import Settings

from . import undelivered
from .acks import Settles
from .deliveries import Delivery

Arrival = tuple[Delivery, Message | Foreign | Malformed]

_NO_JOB = Message(job_id="", task="", body=b"")


class Arrivals:
    """Makes jobs of deliveries. `queues` says by consumer tag where they come from; any other consumer is
    that of what RabbitMQ could not deliver."""

    def __init__(self, settings: Settings, queues: Mapping[str, str], seal: Seal | None) -> None:
        self._settings = settings
        self._names = topology.Names(settings.namespace)
        self._queues = queues
        self._seal = seal

    def job(
        self,
        said: spec.Basic.Deliver,
        properties: spec.Basic.Properties,
        body: bytes,
        acks: Settles,
    ) -> Arrival:
        """One delivery."""
        tag, queue = said.delivery_tag or 0, self._queues.get(said.consumer_tag or "")
        if queue is None:
            return self._came_back(said.routing_key or "", tag, properties, body, acks)
        found = self._checked(decode(properties, body), queue)
        job = found if isinstance(found, Message) else _NO_JOB
        return Delivery(job, queue, tag, acks), found

    def diverted(self, one: Diverted, acks: Settles) -> Arrival:
        """One delivery that the fast transport has cut out."""
        queue = self._queues.get(one.consumer.decode())
        if queue is None:
            key = one.routing_key.decode(errors="replace")
            return self._came_back(key, one.tag, read_properties(one.header), one.body, acks)
        found = self._checked(read_job(one.header, one.body), queue)
        job = found if isinstance(found, Message) else _NO_JOB
        return Delivery(job, queue, one.tag, acks), found

    def _came_back(
        self, key: str, tag: int, properties: spec.Basic.Properties, body: bytes, acks: Settles
    ) -> Arrival:
        found: Message | Foreign | Malformed
        found, queue, why = undelivered.read(key, properties, body, self._settings.namespace)
        queue = queue or self._settings.default_queue
        letter = isinstance(found, Message) and is_letter(found)
        found = self._checked(found, self._names.dead_queue(queue) if letter else queue)
        job = found if isinstance(found, Message) else _NO_JOB
        return Delivery(job, queue, tag, acks, why), found

    def _checked(
        self, found: Message | Foreign | Malformed, place: str
    ) -> Message | Foreign | Malformed:
        return found if self._seal is None else self._seal.check(found, place)


# The properties that our own messages have, which are read without pamqp; any others it decodes.
_OURS = (
    b"\xb4\xe0"  # content-type, headers, delivery-mode, correlation-id, message-id, timestamp, type
)
_LONG = struct.Struct(">I")
_TIME = struct.Struct(">Q")
_SECONDS = 0xFFFFFFFF
_SHORT_TABLE = 64
_MANY = 1000
_tables: dict[bytes, dict[str, Any]] = {}
"""Header tables already decoded: those of most messages say the same, that it is the first attempt."""


def read_job(header: bytes, body: bytes) -> Message | Foreign | Malformed:
    """What a content header's payload and its body are: see messages.decode()."""
    if header[12:14] == _OURS:
        # Text that is not UTF-8, a time that pamqp takes for milliseconds, a table that makes no sense.
        with suppress(Exception):
            return _ours(header, body)
    return decode(read_properties(header), body)


def read_properties(header: bytes) -> spec.Basic.Properties:
    """The properties in a content header's payload; of what nobody can decode, what readable() makes."""
    decoded = ContentHeader()
    decoded.unmarshal(readable(header))
    return decoded.properties


def _ours(header: bytes, body: bytes) -> Message | Foreign | Malformed:
    content_type, at = _text(header, 14)
    size = _LONG.unpack_from(header, at)[0]
    headers = _table(header[at : at + 4 + size])
    correlation_id, at = _text(header, at + 5 + size)  # behind the delivery mode
    message_id, at = _text(header, at)
    seconds = _TIME.unpack_from(header, at)[0]
    if seconds > _SECONDS:
        raise ValueError("milliseconds, as pamqp has it")
    task, at = _text(header, at + 8)
    if at != len(header):
        raise ValueError("there is more")
    job_id = correlation_id or message_id or None
    return job_of(
        body, dict(headers), job_id, task or None, float(seconds), content_type or CONTENT_TYPE
    )


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


def _table(raw: bytes) -> dict[str, Any]:
    found = _tables.get(raw)
    if found is None:
        read, found = field_table(raw)
        if read != len(raw):
            raise ValueError("the table is cut off")
        if len(raw) <= _SHORT_TABLE and all(isinstance(v, int) for v in found.values()):
            if len(_tables) >= _MANY:
                _tables.clear()
            _tables[raw] = found
    return found
