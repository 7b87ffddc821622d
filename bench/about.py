"""What a run was measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import redis

from warrener_workers.nodes import RabbitNode, RedisNode

OURS = ("aio-pika", "redis", "uvloop", "uvicorn", "fastapi")
PEERS = ("celery", "dramatiq", "taskiq", "taskiq-aio-pika", "faststream", "arq", "streaq")
_ASK = "import json,sys;from importlib.metadata import version as v;"
_ASK += "print(json.dumps({n:v(n) for n in sys.argv[1:]}))"


def machine(rabbit: RabbitNode, store: RedisNode) -> dict[str, str]:
    """The machine and the servers."""
    with redis.Redis.from_url(store.url) as client:
        redis_version = str(client.info("server")["redis_version"])
    return {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "system": platform.platform(),
        "processors": f"{os.cpu_count()} × {_processor()}",
        "Python": platform.python_version(),
        "RabbitMQ": str(rabbit.manage("GET", "/api/overview")["rabbitmq_version"]),
        "Redis": redis_version,
    }


def versions(peers: str | None) -> dict[str, str]:
    """Of us and the peers."""
    found = {name: version(name) for name in ("warrener", *OURS)}
    if peers:
        done = subprocess.run(
            [peers, "-c", _ASK, *PEERS], capture_output=True, text=True, check=True
        )
        found |= json.loads(done.stdout)
    return found


def _processor() -> str:
    """By Linux's own words, where there are any."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
