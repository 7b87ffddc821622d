"""Tidying the lists of jobs: one worker at a time takes off what its record no longer fits, so that they
stay as short as the records live."""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from warrener.errors import StoreUnavailable
from warrener.reindexing import PAUSE, Reindexer

from .context import Context

log = logging.getLogger(__name__)


async def keep_tidy(context: Context) -> NoReturn:
    """Look at the lists every minute, without end."""
    reindexer = Reindexer(context.settings, context.store, context.clock)
    while True:
        await asyncio.sleep(PAUSE)
        try:
            if removed := await reindexer.tidy():
                log.debug("%d line(s) taken off the lists of jobs", removed)
        except StoreUnavailable as error:
            log.debug("the lists of jobs are not tidied: %s", error)
