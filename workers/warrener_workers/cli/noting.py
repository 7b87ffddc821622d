"""The audit trail of what commands do."""

from __future__ import annotations

import getpass
import os
import socket

from warrener.audit import AuditTrail
from warrener.client import Client


def who() -> str:
    """Who runs this command, for the audit trail."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


async def note(client: Client, what: str, **facts: object) -> None:
    """Leave in the audit trail that this was done."""
    await AuditTrail(client.settings, client.store).note(who(), what, **facts)
