"""Files of erased recordings go: at once, and where a crash came between, at the next round."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from crm.care.audit_chain import add_links
from crm.care.erasures import erased_recording_keys
from crm.database import Database
from recordings.errors import StoreError
from recordings.store import Store

LINKS_A_ROUND = 500

log = structlog.get_logger("dialer.purging")


def remove_recordings(store: Store, keys: Iterable[str]) -> int:
    """Take the files of these keys out of the store; returns how many were there."""
    removed = 0
    for key in keys:
        try:
            removed += store.remove(key)
        except (StoreError, OSError) as error:
            log.error("recording", key=key, on="erased", now="still there", reason=str(error))
    return removed


async def purge(database: Database, store: Store) -> None:
    """Once a minute: no erased recording stays in the store."""
    async with database.reading() as session:
        keys = await erased_recording_keys(session)
    await asyncio.to_thread(remove_recordings, store, keys)


async def link_rows(database: Database) -> None:
    """Once a minute: what was written is linked into the chain."""
    async with database.transaction() as session:
        await add_links(session, limit=LINKS_A_ROUND)
