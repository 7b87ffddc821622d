"""Private, throwaway RabbitMQ and Redis servers for development, the demo and the tests.

Both listen on 127.0.0.1 only and die with the process that started them, however it dies.
"""

from warrener_workers.nodes.installed import InstalledRabbit, this_machines_rabbit
from warrener_workers.nodes.processes import (
    DirectoryInUse,
    NodeError,
    NodeFailed,
    NodeMissing,
)
from warrener_workers.nodes.rabbitmq import RabbitNode, private_rabbitmq
from warrener_workers.nodes.redis import RedisNode, private_redis

__all__ = [
    "DirectoryInUse",
    "InstalledRabbit",
    "NodeError",
    "NodeFailed",
    "NodeMissing",
    "RabbitNode",
    "RedisNode",
    "private_rabbitmq",
    "private_redis",
    "this_machines_rabbit",
]
