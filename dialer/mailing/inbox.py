"""Who reads what comes back to offers: a look every minute, that never holds up a call, reads each message once and
changes nothing in the mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from config.sections import InboxSettings, MailSettings
from crm.database import Database
from crm.errors import Conflict
from crm.offers import incoming
from dialer.mailing.imap import AT_ONCE, InboxTrouble, Mailbox, Raw
from dialer.mailing.patience import MailHealth, Patience
from dialer.mailing.returned import FaxNotices, understood

FIRST_LOOK_BACK: Final = timedelta(days=30)
"""How old messages may be that are read when a mailbox is looked at for the first time."""


class InboxReader:
    """Reads the mailbox of the settings. `of_mail`: by whom offers are sent, whose fax gateway writes notices."""

    def __init__(
        self, database: Database, settings: InboxSettings, of_mail: MailSettings, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._settings = settings
        self._fax = FaxNotices(
            of_mail.fax_address.rpartition("@")[2].lower(), settings.fax_delivered, settings.fax_failed
        )
        self._mailbox = f"{settings.user}@{settings.host}:{settings.port}/{settings.folder}"
        self._clock = clock
        self._patience = Patience("mailbox")
        self._stopping = False

    def health(self) -> MailHealth:
        return MailHealth(on=bool(self._settings.host), trouble=self._patience.trouble)

    def stop(self) -> None:
        """Take in no further message."""
        self._stopping = True

    async def look(self) -> None:
        """Read what has come; while the mailbox is in trouble look again later and later."""
        now = self._clock()
        if not self._settings.host or self._patience.waits(now):
            return
        try:
            await self.read()
        except InboxTrouble as trouble:
            self._patience.lost(trouble.reason, now)
        else:
            self._patience.regained()

    async def read(self) -> int:
        """How many messages belonged to offers. Raises `InboxTrouble`."""
        mailbox = Mailbox(self._settings)
        try:
            return await self._read(mailbox, await asyncio.to_thread(mailbox.open))
        finally:
            await asyncio.to_thread(mailbox.close)

    async def _read(self, mailbox: Mailbox, uid_validity: int) -> int:
        kept, last = 0, await self._read_up_to(mailbox, uid_validity)
        for uids in batched(await asyncio.to_thread(mailbox.uids_after, last), AT_ONCE):
            for raw in await asyncio.to_thread(mailbox.fetch, uids):
                if self._stopping:
                    return kept
                try:
                    kept += await self._take_in(raw, uid_validity)
                except Conflict:  # its offer is just going: the next look reads it again
                    return kept
        return kept

    async def _read_up_to(self, mailbox: Mailbox, uid_validity: int) -> int:
        async with self._database.reading() as session:
            last = await incoming.read_up_to(session, mailbox=self._mailbox, uid_validity=uid_validity)
        if last is not None:
            return last
        last = await asyncio.to_thread(mailbox.first_since, self._clock() - FIRST_LOOK_BACK) - 1
        async with self._database.transaction() as session:
            await incoming.begin_at(session, mailbox=self._mailbox, uid_validity=uid_validity, last_uid=last)
        return last

    async def _take_in(self, raw: Raw, uid_validity: int) -> bool:
        arrived = await asyncio.to_thread(understood, raw.content, came_at=raw.came_at, fax=self._fax)
        async with self._database.transaction() as session:
            made = await incoming.take_in(
                session, arrived, mailbox=self._mailbox, uid_validity=uid_validity, uid=raw.uid, now=self._clock()
            )
        return made is not None


def batched(uids: list[int], size: int) -> Iterator[list[int]]:
    """So many at once."""
    for start in range(0, len(uids), size):
        yield uids[start : start + size]
