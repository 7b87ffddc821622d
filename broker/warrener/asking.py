"""Asking for an operation on dead letters, or for its end: what is wrong is said before it begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .audit import AuditTrail
from .client import Client
from .dead_counts import DeadCount, dead_counts
from .editing import Edit
from .errors import ConfigurationError, QueueNotFound
from .letter_index import DeadLetterIndex, Group
from .operations import Operations, Wanted
from .selecting import Selection
from .taking import require_no_consumers
from .topology import Names, check_queue_name


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an operation would do, as far as the index knows: with `would` of the `matched` letters,
    in these groups."""

    count: DeadCount
    matched: int
    would: int
    groups: list[Group]


async def forecast(client: Client, queue: str, selection: Selection, limit: int | None) -> Forecast:
    """Count, and do nothing. Raises QueueNotFound, BrokerUnavailable, StoreUnavailable."""
    await _require_dead_queue(client, queue)
    groups = await DeadLetterIndex(client.settings, client.store).groups([queue], selection)
    matched = sum(group.count for group in groups)
    counts = {count.queue: count for count in await dead_counts(client, [queue])}
    would = matched if limit is None else min(matched, limit)
    return Forecast(counts[queue], matched, would, groups)


async def ask(client: Client, wanted: Wanted, owner: str = "") -> str:
    """Ask for an operation; its id. Whoever holds leases carries it out, or `owner` does. Raises
    QueueNameError, QueueNotFound, QueueBusy, ConfigurationError, InvalidArguments, BrokerUnavailable,
    StoreUnavailable."""
    require_reason(wanted)
    await _require_dead_queue(client, wanted.queue)
    await require_no_consumers(client.publisher, _dead(client, wanted.queue))
    if wanted.to_queue:
        check_queue_name(wanted.to_queue, client.settings.namespace)
        if await client.publisher.depth(wanted.to_queue) is None:
            raise QueueNotFound(queue=wanted.to_queue)
    if wanted.edit is not None:
        await _try_edit(client, wanted)
    index = DeadLetterIndex(client.settings, client.store)
    total = await index.count(wanted.queue, wanted.selection)
    wanted = replace(wanted, total=total)
    now = client.clock()
    operations = Operations(client.settings, client.store)
    operation_id = await operations.create(wanted, now, owner)
    facts = {"operation": operation_id, **shown(wanted)}
    await AuditTrail(client.settings, client.store).write(wanted.by, f"ask {wanted.kind}", facts)
    return operation_id


async def cancel(client: Client, operation_id: str, who: str) -> str:
    """Have an operation end where it is; what it has done stays done. Answers asked, cancelled or ended, as
    Operations.cancel. Raises OperationNotFound, StoreUnavailable."""
    operations = Operations(client.settings, client.store)
    answer = await operations.cancel(operation_id, client.clock())
    if answer != "ended":
        trail = AuditTrail(client.settings, client.store)
        await trail.write(who, "cancel", {"operation": operation_id})
    return answer


def require_reason(wanted: Wanted) -> None:
    """Return if it needs no reason, or has one. Raises ConfigurationError."""
    if wanted.kind == "discard" and not wanted.reason:
        raise ConfigurationError(message="say why the letters are discarded: give a reason")


def shown(wanted: Wanted) -> dict[str, object]:
    """What was asked for, without what was left out, and of an edit without the values."""
    facts = {name: getattr(wanted, name) for name in Wanted.__slots__}
    facts["edit"] = wanted.edited
    facts = {name: value for name, value in facts.items() if value not in (None, "", False)}
    return {**facts, "selection": wanted.selection.to_json()}


def _dead(client: Client, queue: str) -> str:
    return Names(client.settings.namespace).dead_queue(queue)


async def _require_dead_queue(client: Client, queue: str) -> None:
    check_queue_name(queue, client.settings.namespace)
    if await client.publisher.depth(_dead(client, queue)) is None:
        raise QueueNotFound(queue=_dead(client, queue))


async def edit_of(client: Client, wanted: Wanted, operation_id: str, at: float) -> Edit | None:
    """The edit that an operation makes, against what the workers have published by now."""
    if wanted.edit is None:
        return None
    schemas = {entry.name: entry.arguments for entry in await client.catalogue.all()}
    return Edit(wanted.edit, schemas, operation_id, wanted.by, at)


async def _try_edit(client: Client, wanted: Wanted) -> None:
    """Raise InvalidArguments if the edit does not fit the newest letter that is meant."""
    index = DeadLetterIndex(client.settings, client.store)
    page = await index.search([wanted.queue], wanted.selection, size=1)
    edit = await edit_of(client, wanted, "", client.clock())
    for letter in await index.find_many(wanted.queue, [line.id for line in page.letters]):
        if edit is not None:
            edit.try_on(letter)
