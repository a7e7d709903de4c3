"""What keeps the whole office from calling, from recording or from writing anything down: told to those who answer for
it on their every page, with what to do. Operators see it at their desks."""

from __future__ import annotations

import asyncio

from aiohttp import web

from dialer.console.web.deps import ConsoleDeps
from dialer.console.web.visitors import ADMINISTRATORS, STOP_ROLES
from dialer.crm_words import in_language
from dialer.reasons import Reason, advice_for, of_error
from dialer.words import Words, mark
from recordings.errors import RecordingError
from recordings.store import require_room

PATIENCE_S = 1.0
_TELL = mark("If it lasts, tell the administrator.")


class Room:
    """Whether the disks have room, asked by one thread at a time: a network drive that hangs takes neither the threads
    that calls need, nor the pages on which it is told."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps
        self._look: asyncio.Task[tuple[str, str]] | None = None

    async def short(self) -> tuple[str, str]:
        """Why the database and why recordings have too little room, "" for enough."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(asyncio.to_thread(_short_of_room, self._deps))
        done, _ = await asyncio.wait({self._look}, timeout=PATIENCE_S)
        return self._look.result() if done else ("", Reason("recordings.silent"))


ROOM = web.AppKey("room", Room)


async def alarms_for(role: str, deps: ConsoleDeps, room: Room, words: Words) -> list[str]:
    """In whole sentences, the most pressing first; none for a role that can do nothing about them."""
    if role not in STOP_ROLES:
        return []
    found = []
    trunk = deps.desk.trunk()
    if not trunk.ready:
        found.append((mark("Nobody can be called: there is no connection to the provider ({reason})."), trunk.detail))
    database_low, recordings_low = await room.short()
    if database_low:
        found.append((mark("Soon nothing can be written down. {reason}."), database_low))
    if recordings_low:
        found.append((mark("Calls are not recorded. {reason}."), recordings_low))
    return [_told(words, sentence, reason, role) for sentence, reason in found]


def _short_of_room(deps: ConsoleDeps) -> tuple[str, str]:
    kept = deps.settings.recordings
    reserve_bytes = kept.minimum_free_mb * 2**20
    free = deps.database.free_bytes()
    of_database = ""
    if free is not None and free < reserve_bytes:
        of_database = Reason("database.low", free_mb=free // 2**20)
    if kept.policy == "never":
        return of_database, ""
    try:
        require_room(deps.store, reserve_bytes=reserve_bytes)
    except (RecordingError, OSError) as error:
        return of_database, of_error(error)
    return of_database, ""


def _told(words: Words, sentence: str, reason: str, role: str) -> str:
    parts = [words.gettext(sentence, reason=in_language(words, reason).rstrip(".") or "—")]
    if advice := advice_for(reason):
        parts.append(words.gettext(advice))
    if role not in ADMINISTRATORS:
        parts.append(words.gettext(_TELL))
    return " ".join(parts)
