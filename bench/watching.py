"""Looks at results in Redis itself, as cheaply as can be: who looks takes from the same machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import redis

from .sides import Servers, Side

PATIENCE = 300.0
"""Seconds after which a round that has not ended is given up."""
PAUSE = 0.005
"""Seconds between two looks."""
STRIDE = 200
"""Until the tail, only one key in so many is asked for."""
TAIL = 2000
"""So many of the last ones are looked at one by one before the clock stops."""
AT_ONCE = 1000
"""Keys of one look: Redis answers nobody else meanwhile, a millisecond."""


class Missing(Exception):
    """Results that did not come, or came and went; or something that this machine lacks."""


class Results:
    """The results of a side. A key is a record with a state, or a result alone."""

    def __init__(self, servers: Servers) -> None:
        self._store = redis.Redis.from_url(servers.redis)
        script = Path(__file__).with_name("unfinished.lua").read_text()
        self._unfinished = self._store.register_script(script)

    def forget(self) -> None:
        """Begin a round with nothing that an earlier one has left."""
        self._store.flushdb()

    def done(self, side: Side, key: str) -> bool:
        """Whether it can be read."""
        if side.record:
            return self._store.hget(key, "state") == b"SUCCESS"
        return self._store.exists(key) == 1

    def unfinished(self, side: Side, keys: Sequence[str]) -> list[str]:
        """Those that cannot be read yet."""
        found: list[str] = []
        for begin in range(0, len(keys), AT_ONCE):
            asked = keys[begin : begin + AT_ONCE]
            places = self._unfinished(keys=asked, args=[int(side.record)])
            found += [asked[place - 1] for place in places]  # Lua counts from one
        return found

    def until_all(self, side: Side, keys: Sequence[str]) -> float:
        """When the last could be read, by time.monotonic(). Signposts are waited for, then the tail one by
        one; what was passed by is looked at after the clock has stopped, which goes on if one was not
        done. Raises Missing."""
        given_up = time.monotonic() + PATIENCE
        for sign in (*keys[:-TAIL:STRIDE], keys[-1]):
            self._wait(side, [sign], given_up)
        self._wait(side, keys[-TAIL:], given_up)
        last = time.monotonic()
        if passed := self.unfinished(side, keys):
            self._wait(side, passed, given_up)
            last = time.monotonic()
        if len(set(keys)) != len(keys) or self.unfinished(side, keys):
            raise Missing(f"{side.name}: a result that had been there is gone, or there twice")
        return last

    def _wait(self, side: Side, keys: Sequence[str], given_up: float) -> None:
        left = list(keys)
        while left:
            # One alone is asked for by a plain command.
            alone = len(left) == 1
            left = left[: not self.done(side, left[0])] if alone else self.unfinished(side, left)
            if left:
                if time.monotonic() > given_up:
                    raise Missing(f"{side.name}: {len(left)} results are missing")
                time.sleep(PAUSE)
