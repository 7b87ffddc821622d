"""The RabbitMQ that a test run is to run on: `WARRENER_TEST_RABBITMQ`, or the machine's own."""

import os

from warrener_workers.nodes import InstalledRabbit, this_machines_rabbit
from warrener_workers.nodes.installed import scripts_under

from .trees import entering, servers_in, tree_of

VARIABLE = "WARRENER_TEST_RABBITMQ"


def wanted_rabbit() -> InstalledRabbit:
    """The one that the environment names. Raises LookupError if it is not here, NodeMissing if none
    is named and the machine has none."""
    version = os.environ.get(VARIABLE)
    return rabbit_of(version) if version else this_machines_rabbit()


def rabbit_of(version: str) -> InstalledRabbit:
    """One that was fetched. Raises LookupError if it was not."""
    tree = tree_of(version)
    scripts = scripts_under(servers_in(tree))
    if not scripts:
        raise LookupError(
            f"there is no RabbitMQ {version} in {tree}: run `./dev test --rabbitmq {version}`, "
            "which fetches it"
        )
    return InstalledRabbit(scripts[0], "/usr/bin/epmd", entering(tree))
