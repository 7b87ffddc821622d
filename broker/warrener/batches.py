"""Many calls of one script in one command. Each move stays what it was: its script runs on its own key, and
what breaks in one leaves the others alone. Redis parses one command for a hundred jobs, and starts and
answers one script (measured in docs/performance.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, NamedTuple, Protocol

from redis.exceptions import ResponseError

AT_ONCE = 100
"""Moves in one command: Redis serves nobody else meanwhile, which is for a millisecond or two."""

FAULT = b"!"
"""First word of an answer that is an error."""

COMMON, OWN = "=", "."

_BEHIND = """
local keys, pattern, at = tonumber(ARGV[1]), ARGV[2], 2
local answers, mine, said, own = {}, {}, {}, {}
for i = 1, #pattern do
  if pattern:sub(i, i) == '=' then
    at = at + 1
    said[i] = ARGV[at]
  else
    own[#own + 1] = i
  end
end
for n = 0, #KEYS / keys - 1 do
  for i = 1, keys do mine[i] = KEYS[n * keys + i] end
  for i = 1, #own do said[own[i]] = ARGV[at + i] end
  at = at + #own
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
    for (script, keys, _), group in groupby(calls, _alike):
        while some := list(islice(group, AT_ONCE)):
            if len(some) == 1 or "/" in script:
                for call in some:
                    yield Batch(script, 1, [keys, *call.keys, *call.arguments])
                continue
            yield Batch(many(script), len(some), _joined(some, keys))


def _joined(calls: Sequence[Called], keys: int) -> list[Any]:
    """All keys; how many each has; which words of the moves are the same for all, one character a word, and
    these once; then each move's own. Most are the same: who claims, for which queue, of which task."""
    columns = list(zip(*(call.arguments for call in calls), strict=True))
    same = [column.count(column[0]) == len(calls) for column in columns]
    own = [column for column, is_same in zip(columns, same, strict=True) if not is_same]
    return [
        keys * len(calls),
        *chain.from_iterable(call.keys for call in calls),
        keys,
        "".join(COMMON if is_same else OWN for is_same in same),
        *(column[0] for column, is_same in zip(columns, same, strict=True) if is_same),
        *chain.from_iterable(zip(*own, strict=True)),
    ]


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
