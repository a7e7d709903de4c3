"""Who sends offers: one after another over one connection, each handed over once.

Before the message itself is said, it is committed that it may have been taken. So a crash, or an answer that is lost,
leaves a doubt about this offer alone, which a person settles; nothing is sent twice because nobody knew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from email.errors import MessageError
from pathlib import Path
from typing import Final

import structlog

from config.sections import MailSettings
from crm.calls.letters import Channel
from crm.database import Database
from crm.errors import Conflict, NotFound
from crm.offers import sending
from crm.offers.offers import Offer, OfferFile
from crm.offers.sending import Lane
from crm.offers.templates import OfferText, attachments_of
from crm.office.users import User
from crm.preparation.materials import read_file
from dialer.mailing.messages import OUR_NAME
from dialer.mailing.offer_messages import OFFER_POLICY, Enclosed, Sender, compose_offer
from dialer.mailing.patience import Patience
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import packed
from dialer.words import words

log = structlog.get_logger("dialer.mailing")

LEASE_BEYOND: Final = timedelta(seconds=60)  # longer than connecting and sending may take


class OfferSender:
    """Sends what is due in its `lane`. `materials`: the folder of the customer's files; `reads_answers`: our mailbox is
    read; `patience`: that of all who talk to the mail server."""

    def __init__(
        self,
        database: Database,
        settings: MailSettings,
        *,
        node: str,
        materials: Path,
        clock: Callable[[], datetime],
        reads_answers: bool = False,
        lane: Lane = Lane.SINGLE,
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._node = node
        self._materials = materials
        self._clock = clock
        self._reads_answers = reads_answers
        self._lane = lane
        self._lease = timedelta(seconds=2 * settings.timeout_s + settings.taken_within_s) + LEASE_BEYOND
        self._patience = patience or Patience("mail server")
        self._stopping = False

    def stop(self) -> None:
        """Begin no further offer."""
        self._stopping = True

    async def look(self) -> None:
        """Send everything that is due; while the server is in trouble look again later and later."""
        now = self._clock()
        if not self._settings.host:
            return
        async with self._database.reading() as session:
            if not await sending.is_any_due(session, now=now, lane=self._lane):
                return
        async with self._database.transaction() as session:
            await sending.doubt_left(session, now=now)
        if self._patience.waits(now):
            return
        async with Postman(self._settings) as postman:
            while not self._stopping and (offer := await self._claim()) is not None:
                if not await self._sent(postman, offer):
                    return

    async def _claim(self) -> Offer | None:
        async with self._database.transaction() as session:
            return await sending.claim_due(
                session, now=self._clock(), node=self._node, lease=self._lease, lane=self._lane
            )

    async def _sent(self, postman: Postman, offer: Offer) -> bool:
        """Whether there is any use in going on with the next one."""

        async def hand_over() -> None:
            async with self._database.transaction() as session:
                await sending.mark_handing_over(
                    session, offer_id=offer.id, node=self._node, now=self._clock(), lease=self._lease
                )

        try:
            content, address = await self._message(offer)
            await postman.send(content, address, before=hand_over)
        except Conflict:
            _left_alone(offer)
            return True
        except (NotFound, MessageError, ValueError) as unwritten:
            # A file of it is not in the folder any more, or the library makes no message of it.
            await self._not_sent(offer, MailTrouble(str(unwritten)))
            return True
        except MailTrouble as trouble:
            await self._not_sent(offer, trouble)
            return not trouble.of_server
        self._patience.regained()
        try:
            async with self._database.transaction() as session:
                await sending.mark_sent(session, offer_id=offer.id, now=self._clock())
        except Conflict:
            _left_alone(offer)
        return True

    async def _message(self, offer: Offer) -> tuple[bytes, str]:
        async with self._database.reading() as session:
            author = None if offer.author_id is None else await session.get(User, offer.author_id)
            kept = await session.get_one(OfferFile, offer.id)
            text = await session.get_one(OfferText, offer.text_id)
            attached = await attachments_of(session, text.id)
        files = [Enclosed(kept.file_name, kept.content)]
        files += [
            Enclosed(each.file_name, await asyncio.to_thread(read_file, self._materials, each)) for each in attached
        ]
        sender = Sender(
            self._settings.sender, author.name if author else OUR_NAME, author.email if author else "",
            we_read=self._reads_answers,
        )  # fmt: skip
        message = compose_offer(offer, sender=sender, files=files, speech=words(text.language.value))
        if offer.channel is Channel.FAX:
            address = fax_address(self._settings.fax_address, offer.address)
            message["To"] = address
            return message.as_bytes(policy=OFFER_POLICY), address
        return message.as_bytes(policy=OFFER_POLICY), offer.address

    async def _not_sent(self, offer: Offer, trouble: MailTrouble) -> None:
        now = self._clock()
        if trouble.of_server:
            self._patience.lost(trouble.reason, now)
        try:
            async with self._database.transaction() as session:
                await sending.mark_tried(
                    session, offer_id=offer.id, reason=packed(trouble.reason), now=now, for_good=trouble.for_good,
                    in_doubt=trouble.in_doubt,
                )  # fmt: skip
        except Conflict:
            _left_alone(offer)


def _left_alone(offer: Offer) -> None:
    """Somebody withdrew it, or settled its doubt, meanwhile: what they said stands."""
    log.info("offer", offer=offer.id, was="claimed", on="changed meanwhile", now="left alone")


def fax_address(pattern: str, e164: str) -> str:
    """Where the gateway takes a fax to this number."""
    return pattern.replace("{number}", e164.lstrip("+"))
