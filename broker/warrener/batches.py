"""Many calls of one script in one command. Each move stays what it was: its script runs on its own key, and
what breaks in one leaves the others alone. Redis parses one command for a hundred jobs, and starts and
answers one script (measured in docs/performance.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple, Protocol

from redis.exceptions import ResponseError

AT_ONCE = 100
"""Moves in one command: Redis serves nobody else meanwhile, which is for a millisecond or two."""

FAULT = b"!"
"""First word of an answer that is an error."""

_BEHIND = """
local answers, keys, words = {}, tonumber(ARGV[1]), tonumber(ARGV[2])
for n = 0, #KEYS / keys - 1 do
  local mine, said = {}, {}
  for i = 1, keys do mine[i] = KEYS[n * keys + i] end
  for i = 1, words do said[i] = ARGV[2 + n * words + i] end
  local fine, answer = pcall(move, mine, said)
  if not fine then answer = {'!', type(answer) == 'table' and answer.err or tostring(answer)} end
  answers[n + 1] = answer
end
return answers
"""


class Called(Protocol):
    """A call of one script."""

    @property
    def script(self) -> str: ...

    @property
    def keys(self) -> tuple[str, ...]: ...

    @property
    def arguments(self) -> tuple[Any, ...]: ...


class Batch(NamedTuple):
    """Calls of one script, as one command: the words behind the script's hash."""

    script: str
    size: int
    words: list[Any]


def many(name: str) -> str:
    """The name of the script that makes many moves of this script."""
    return f"{name} many"


def for_many(text: str) -> str:
    """A script that makes the moves of this one, one after another; it answers a list of their answers."""
    return f"local function move(KEYS, ARGV)\n{text}\nend\n{_BEHIND}"


def batched(calls: Sequence[Called]) -> Iterator[Batch]:
    """The calls in order, those that follow one another with one script joined."""
    for (script, keys, words), group in groupby(calls, _alike):
        while some := list(islice(group, AT_ONCE)):
            if len(some) == 1 or "/" in script:
                for call in some:
                    yield Batch(script, 1, [keys, *call.keys, *call.arguments])
                continue
            flat: list[Any] = [len(some) * keys]
            for call in some:
                flat += call.keys
            flat += (keys, words)
            for call in some:
                flat += call.arguments
            yield Batch(many(script), len(some), flat)


def _alike(call: Called) -> tuple[str, int, int]:
    return call.script, len(call.keys), len(call.arguments)


def apart(batch: Batch, reply: Any) -> Iterator[Any]:
    """The answers of each call in a batch: what one alone would have got, errors among them."""
    if batch.size == 1:
        yield reply
    elif isinstance(reply, Exception):
        yield from [reply] * batch.size
    else:
        for one in reply:
            yield ResponseError(one[1].decode()) if one[0] == FAULT else one
