"""Doing what the plan says, from the main thread."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import psutil

from warrener_workers.nodes import RabbitNode, RedisNode

from .plan import EVERYONE, Fault
from .proxy import Proxy
from .stage import APP, QUEUES, ROOT, Member, Stage


class Faults:
    """Begins each fault when its time has come, and ends it when it is over."""

    def __init__(
        self,
        stage: Stage,
        seed: int,
        say: Callable[[str], None],
        revoke: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._revoke = revoke
        self._say = say
        self._chance = random.Random(seed + 1)
        self._begun = ""
        self._over: list[tuple[float, str, Callable[[], object]]] = []
        self._stopped: set[str] = set()
        self._commands: list[subprocess.Popen[bytes]] = []
        self.done = 0

    def begin(self, fault: Fault) -> None:
        """Begin this fault."""
        self._say(str(fault))
        self._begun = fault.named
        self.done += 1
        kind, whom = fault.kind.split()[0], fault.kind.split()[-1]
        if whom in ("worker", "child", "group"):
            self._hit(self._stage.workers[fault.target], kind, whom, fault.seconds)
        elif whom == "beat":
            self._hit(self._stage.beats[fault.target], kind, whom, fault.seconds)
        elif kind in ("cut", "mute"):
            self._disturb(kind, whom, fault)
        elif kind == "restart":
            self._restart(whom, fault.seconds)
        elif kind == "alarm":
            self._alarm(fault.seconds)
        elif kind == "pause":
            self._pause(fault.seconds)
        elif kind == "revoke":
            self._revoke()
        else:
            self._operate(kind)

    def _hit(self, member: Member, kind: str, whom: str, seconds: float) -> None:
        if kind == "restart":
            member.signal(signal.SIGTERM)
            return
        targets = [member.process.pid] if member.process is not None and not member.ended else []
        children = [child.pid for child in member.children()]
        if whom == "child":
            targets = [self._chance.choice(children)] if children else []
        if whom == "group":
            targets += children
        if kind == "stop":
            # One at a time in a worker: a machine that freezes whole is not promised.
            if member.name in self._stopped:
                return
            self._stopped.add(member.name)
            self._later(seconds, lambda: self._go_on(member, targets))
        for pid in targets:
            _send(pid, signal.SIGSTOP if kind == "stop" else signal.SIGKILL)

    def _go_on(self, member: Member, pids: list[int]) -> None:
        self._stopped.discard(member.name)
        for pid in pids:
            _send(pid, signal.SIGCONT)

    def _disturb(self, kind: str, whom: str, fault: Fault) -> None:
        every = fault.target == EVERYONE
        members = self._stage.members if every else [self._stage.workers[fault.target]]
        proxies = [
            proxy
            for member in members
            for proxy in (member.brokers if whom == "broker" else [member.store])
        ]
        for proxy in proxies:
            self._stage.loop.run(proxy.cut() if kind == "cut" else proxy.mute())
        if kind == "mute":
            self._later(fault.seconds, lambda: self._unmute(proxies))

    def _unmute(self, proxies: list[Proxy]) -> None:
        for proxy in proxies:
            self._stage.loop.run(proxy.unmute())

    def _restart(self, whom: str, seconds: float) -> None:
        node: RabbitNode | RedisNode = self._stage.redis
        if whom == "broker":
            node = self._chance.choice(self._stage.rabbits)
        node.kill()
        self._later(seconds, node.start)

    def _alarm(self, seconds: float) -> None:
        self._watermark("0.000001")
        self._later(seconds, lambda: self._watermark("0.4"))

    def _watermark(self, share: str) -> None:
        # A broker that is away has no alarm, and comes back without one.
        with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self._stage.rabbits[0].control("set_vm_memory_high_watermark", share)

    def _operate(self, kind: str) -> None:
        """An operator at the command line, who does not wait for it, and has two windows."""
        self._commands = [command for command in self._commands if command.poll() is None]
        if len(self._commands) > 1:
            return
        queue = self._chance.choice(QUEUES)
        replay = ["dead", "replay", queue, "--all"]
        command = replay if kind == "replay" else ["purge", queue, "--yes"]
        with (self._stage.folder / "operator.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos.entry", *command, "--app", APP],
                env=self._stage.members[-1].env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._commands.append(process)

    def _pause(self, seconds: float) -> None:
        """Over HTTP, by somebody who does not wait for the answer, nor for his own resumption of it."""
        queue = self._chance.choice(QUEUES)
        self._stage.loop.start(self._ask(queue, "pause"))
        self._later(seconds, lambda: self._stage.loop.start(self._ask(queue, "resume")))

    async def _ask(self, queue: str, wish: str) -> bool:
        async with httpx.AsyncClient(base_url=self._stage.api_url, timeout=30) as http:
            with suppress(httpx.HTTPError):
                return (await http.post(f"/queues/{queue}/{wish}")).is_success
        return False

    async def resume_all(self) -> None:
        """End every pause, as often as it takes."""
        for queue in QUEUES:
            while not await self._ask(queue, "resume"):  # noqa: ASYNC110
                await asyncio.sleep(0.5)

    def _later(self, seconds: float, end: Callable[[], object]) -> None:
        self._over.append((time.monotonic() + seconds, self._begun, end))

    def tick(self) -> None:
        """End what is over."""
        now = time.monotonic()
        due = [one for one in self._over if one[0] <= now]
        self._over = [one for one in self._over if one[0] > now]
        self._end(due)

    def end_all(self) -> None:
        """End whatever still lasts."""
        over, self._over = self._over, []
        self._end(over)

    def _end(self, over: list[tuple[float, str, Callable[[], object]]]) -> None:
        for _, name, end in over:
            end()
            self._say(f"{name} is over")


def _send(pid: int, number: int) -> None:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        psutil.Process(pid).send_signal(number)
