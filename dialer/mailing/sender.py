"""Who sends what is due: a look every few seconds, that never holds up a call and never loses a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from config.sections import MailSettings
from crm.database import Database
from crm.mail import outbox
from crm.mail.outbox import OutgoingMail
from dialer.mailing.messages import compose
from dialer.mailing.patience import MailHealth, Patience
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import packed

log = structlog.get_logger("dialer.mailing")

LEASE_BEYOND: Final = timedelta(seconds=60)  # longer than connecting and sending may take


class Mailer:
    """Sends what is due. `public_url` is the console's address for links, or ""; `patience`: that of all who talk to
    the mail server."""

    def __init__(
        self,
        database: Database,
        settings: MailSettings,
        *,
        node: str,
        public_url: str,
        clock: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._node = node
        self._public_url = public_url
        self._clock = clock
        self._patience = patience or Patience("mail server")
        self._stopping = False

    def health(self) -> MailHealth:
        return MailHealth(on=bool(self._settings.host), trouble=self._patience.trouble)

    def stop(self) -> None:
        """Begin no further message."""
        self._stopping = True

    async def look(self) -> None:
        """Send everything that is due, one message after another over one connection; while the server is in trouble
        look again later and later."""
        now = self._clock()
        if not self._settings.host or self._patience.waits(now):
            return
        async with self._database.reading() as session:
            if not await outbox.is_any_due(session, now=now):
                return
        async with self._database.transaction() as session:
            await outbox.drop_pointless(session, now=now)
        async with Postman(self._settings) as postman:
            while not self._stopping and (mail := await self._claim()) is not None:
                if not await self._sent(postman, mail):
                    return

    async def _claim(self) -> OutgoingMail | None:
        lease = timedelta(seconds=2 * self._settings.timeout_s) + LEASE_BEYOND
        async with self._database.transaction() as session:
            return await outbox.claim_due(session, now=self._clock(), node=self._node, lease=lease)

    async def _sent(self, postman: Postman, mail: OutgoingMail) -> bool:
        """Whether there is any use in going on with the next one."""
        try:
            message = compose(mail, sender=self._settings.sender, public_url=self._public_url)
            await postman.send(message, mail.address)
        except MailTrouble as trouble:
            await self._not_sent(mail, trouble)
            return not trouble.of_server
        async with self._database.transaction() as session:
            await outbox.mark_sent(session, mail_id=mail.id, now=self._clock())
        self._patience.regained()
        return True

    async def _not_sent(self, mail: OutgoingMail, trouble: MailTrouble) -> None:
        now = self._clock()
        async with self._database.transaction() as session:
            await outbox.mark_tried(
                session, mail_id=mail.id, reason=packed(trouble.reason), now=now, for_good=trouble.for_good,
                in_doubt=trouble.in_doubt,
            )  # fmt: skip
        if not trouble.of_server:
            log.warning("mail", mail=mail.id, was="sending", on=str(trouble.reason), now="refused")
            return
        self._patience.lost(trouble.reason, now)
