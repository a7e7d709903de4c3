"""Backups, for administrators: begun, watched, listed; and recordings that are not sealed yet. No backup leaves through
the browser, and none is restored here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from crm.calls.recording_facts import count_plain
from dialer.backup_list import LONGEST_NAME, KeptBackup, kept_backups
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import visitor, words_of
from dialer.crm_words import explain, in_language
from dialer.reasons import Reason
from dialer.shown.formats import moment, zone_named
from dialer.upkeep import Kind, Work
from dialer.upkeep_errors import UpkeepError
from dialer.words import Words, mark

_BEGUN = {Kind.BACKUP: mark("Backup"), Kind.SEALING: mark("Sealing recordings")}


@dataclass(frozen=True, slots=True)
class BackupRow:
    """A backup as it is shown; `size` in words."""

    name: str
    made: str
    size: str
    rows: int
    files: int
    secrets: bool
    whole: bool


async def backups(request: web.Request) -> web.StreamResponse:
    """GET /backups"""
    deps, words = request.app[DEPS], words_of(request)
    zone = zone_named(visitor(request).zone_name, deps.service.time_zone)
    folder = deps.settings.backups_dir
    found = await asyncio.to_thread(kept_backups, folder)
    async with deps.database.reading() as session:
        plain = await count_plain(session)
    last = deps.upkeep.last

    def row(kept: KeptBackup) -> BackupRow:
        made = moment(words, kept.made_at, zone) if kept.made_at is not None else words.gettext("not finished")
        size = words.gettext("{size} MB", size=f"{kept.size / 2**20:.1f}")
        return BackupRow(kept.name, made, size, kept.rows, kept.files, kept.secrets, kept.made_at is not None)

    context = {
        "folder": str(folder),
        "longest_name": LONGEST_NAME,
        "rows": [row(kept) for kept in found],
        "plain": plain,
        "encrypt": deps.settings.recordings.encrypt,
        "busy": deps.upkeep.is_busy,
        "last": _told(words, last) if last is not None else "",
        "failed": last is not None and bool(last.trouble or last.sealed.refused),
    }
    return await office_page(request, "backups.html", context)


def _told(words: Words, work: Work) -> str:
    """How a piece of work is, or what came of it."""
    what = words.gettext(_BEGUN[work.kind])
    named = f"{what} {work.name}".strip()
    if work.ended_at is None:
        return words.gettext("{work}: under way, {done} done.", work=named, done=work.done)
    if work.trouble:
        return words.gettext("{work}: failed. {reason}", work=named, reason=in_language(words, work.trouble))
    if work.kind is Kind.SEALING:
        return words.gettext(
            "{work}: {sealed} sealed, {elsewhere} on other machines, {refused} left as they are because their files are"
            " not what was recorded.",
            work=named, sealed=work.sealed.sealed, elsewhere=work.sealed.elsewhere, refused=len(work.sealed.refused),
        )  # fmt: skip
    return words.gettext("{work}: done.", work=named)


async def begin(request: web.Request) -> web.StreamResponse:
    """POST /backups with `name` ("": by the moment) and `secrets` ("yes": passwords and keys, too)."""
    fields = await request.post()
    try:
        request.app[DEPS].upkeep.begin_backup(
            name=str(fields.get("name", "")), secrets=fields.get("secrets") == "yes", author_id=visitor(request).user_id
        )
    except UpkeepError as refusal:
        raise _refused(request, refusal.reason) from refusal
    return see_other("/backups")


async def seal(request: web.Request) -> web.StreamResponse:
    """POST /recordings/seal"""
    try:
        request.app[DEPS].upkeep.begin_sealing(author_id=visitor(request).user_id)
    except UpkeepError as refusal:
        raise _refused(request, refusal.reason) from refusal
    return see_other("/backups")


def _refused(request: web.Request, reason: Reason) -> Trouble:
    told = explain(words_of(request), reason.code, reason.params)
    return Trouble(409 if reason.code == "upkeep.busy" else 422, told, "")
