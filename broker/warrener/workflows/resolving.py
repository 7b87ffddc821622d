"""Values out of a plan: the results of its parts, joined as bytes that nobody decodes."""

from __future__ import annotations

import asyncio

from pydantic_core import from_json, to_json

from .carrying import PAGE, Carrier


class Resolver:
    """Reads values of plans."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def fields(self, flow: str, names: list[str]) -> list[bytes] | None:
        """These fields of a plan, empty where there is none; None if the plan is lost."""
        found: list[bytes] = []
        for at in range(0, len(names), 4 * PAGE):
            call = self._carrier.calls.make("read", flow, *names[at : at + 4 * PAGE])
            [[word, *values]] = await self._carrier.call(call)
            if word != b"ok":
                return None
            found += values
        return found

    async def input(self, flow: str, source: bytes, given: bytes) -> bytes | None:
        """The input that comes from `source` (see plans); `given` if a task gave it. None if it is lost."""
        if source[:1] == b"g":
            return await self.group(flow, int(source[1:]))
        if source == b"causes":
            return await self.causes(flow)
        return given

    async def output(self, flow: str) -> bytes | None:
        """What the workflow came to."""
        found = await self.fields(flow, ["o0"])
        return None if found is None else await self._value(flow, found[0])

    async def _value(self, flow: str, pointer: bytes) -> bytes | None:
        if pointer[:1] == b"g":
            return await self.group(flow, int(pointer[1:]))
        found = await self.fields(flow, [f"r{int(pointer[1:])}"])
        return None if found is None else found[0] or b"null"

    async def group(self, flow: str, number: int) -> bytes | None:
        """The list of a group's results, in order; in place of those that failed, {"error": …}."""
        found = await self.fields(flow, [f"n{number}"])
        if found is None:
            return None
        _, _, first, count, _ = found[0].split()
        values: list[bytes] = []
        for at in range(int(first), int(first) + int(count), PAGE):
            page = range(at, min(at + PAGE, int(first) + int(count)))
            some = await self._members(flow, page)
            if some is None:
                return None
            values += some
        return b"[" + b",".join(values) + b"]"

    async def _members(self, flow: str, page: range) -> list[bytes] | None:
        found = await self.fields(flow, [f"{letter}{k}" for k in page for letter in "ero"])
        if found is None:
            return None
        values: list[bytes] = []
        inner: dict[int, bytes] = {}
        for error, result, pointer in zip(found[::3], found[1::3], found[2::3], strict=True):
            if not error and pointer:
                inner[len(values)] = pointer
            values.append(b'{"error":' + error + b"}" if error else result or b"null")
        tasks = [(place, pointer) for place, pointer in inner.items() if pointer[:1] == b"t"]
        results = await self.fields(flow, [f"r{int(pointer[1:])}" for _, pointer in tasks])
        groups = [(place, pointer) for place, pointer in inner.items() if pointer[:1] == b"g"]
        lists = await asyncio.gather(*(self.group(flow, int(p[1:])) for _, p in groups))
        if results is None or None in lists:
            return None
        for (place, _), value in zip([*tasks, *groups], [*results, *lists], strict=True):
            values[place] = value or b"null"
        return values

    async def causes(self, flow: str) -> bytes | None:
        """The errors for which the workflow failed, as a list."""
        found = await self.fields(flow, ["causes"])
        if found is None:
            return None
        errors = await self.fields(flow, [f"e{int(k)}" for k in found[0].split()])
        return b"[" + b",".join(error for error in errors or [] if error) + b"]"


def with_input(body: bytes, value: bytes) -> bytes:
    """Arguments with this one put before them. A body of ours begins with its positional ones."""
    start = b'{"args":['
    if not body.startswith(start):
        content = from_json(body)
        body = to_json({"args": content["args"], "kwargs": content["kwargs"]})
    rest = body[len(start) :]
    return start + value + (b"" if rest[:1] == b"]" else b",") + rest
