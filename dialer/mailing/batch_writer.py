"""Who writes the offers of a batch, one after another as their turns come, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import structlog

from config.sections import MailSettings
from crm.database import Database
from crm.errors import Conflict, CrmError, NotFound
from crm.offers import batches
from crm.offers.addressees import Addressee, addressees
from crm.offers.batches import OfferBatch, unless_of
from crm.offers.pdf import pdf_of
from crm.offers.sending import Prepared, prepare, queue_offer
from crm.offers.templates import OfferTemplate, OfferText
from dialer.mailing.patience import Patience

log = structlog.get_logger("dialer.mailing")


class BatchWriter:
    """Writes what is due; `patience`: that of all who talk to the mail server."""

    def __init__(
        self,
        database: Database,
        settings: MailSettings,
        *,
        clock: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._patience = patience or Patience("mail server")
        self._stopping = False

    def stop(self) -> None:
        """Write no further offer."""
        self._stopping = True

    async def look(self) -> None:
        """Write all that is due, unless the mail server is in trouble."""
        if not self._settings.host or self._patience.waits(self._clock()):
            return
        while not self._stopping and await self._took_a_turn():
            pass

    async def _took_a_turn(self) -> bool:
        """Whether there was one to take."""
        now = self._clock()
        async with self._database.reading() as session:
            turn = await batches.next_turn(session, now=now)
            if turn is None:
                return False
            batch, client_id = turn
            text = await session.get_one(OfferText, batch.text_id)
            template = await session.get_one(OfferTemplate, text.template_id)
            met = await addressees(
                session, [client_id], text=text, template=template, now=now, sender_id=batch.author_id,
                unless=await unless_of(session, batch),
            )  # fmt: skip
            looked = None
            if template.retired_at is None and met and not met[0].code and met[0].to is not None:
                looked = await prepare(session, met[0].to, text_id=text.id, now=now, sender_id=batch.author_id)
        try:
            if template.retired_at is not None:
                await self._stop(batch)
            elif looked is None:
                await self._pass(batch, client_id, met[0] if met else None, now)
            else:
                await self._write(batch, client_id, looked, now)
        except Conflict:
            log.info("offer batch", batch=batch.id, client=client_id, was="running", on="changed meanwhile", now="left")
            return False  # it is looked at again soon
        return True

    async def _stop(self, batch: OfferBatch) -> None:
        """Its template is not used any more: that is for a person to settle."""
        async with self._database.transaction() as session:
            await batches.stop_batch(session, batch_id=batch.id, now=self._clock())

    async def _pass(self, batch: OfferBatch, client_id: int, met: Addressee | None, now: datetime) -> None:
        async with self._database.transaction() as session:
            held, member = await batches.hold_turn(session, batch_id=batch.id, client_id=client_id)
            if met is not None and met.goes:
                await batches.note_put_off(session, member, reason=met.code, until=met.next_at, now=now)
            else:
                reason = met.code if met else "client.unknown"
                await batches.note_left_out(session, held, member, reason=reason, now=now)

    async def _write(self, batch: OfferBatch, client_id: int, looked: Prepared, now: datetime) -> None:
        pdf = await asyncio.to_thread(pdf_of, looked.rendered.subject, looked.rendered.body)
        try:
            async with self._database.transaction() as session:
                held, member = await batches.hold_turn(session, batch_id=batch.id, client_id=client_id)
                offer = await queue_offer(
                    session, looked, pdf=pdf, key=uuid4().hex, now=now, sender_id=batch.author_id, batch=held
                )
                await batches.note_written(session, held, member, offer, now=now)
        except (Conflict, NotFound):
            raise
        except CrmError as refusal:  # somebody said so between the look and the writing
            async with self._database.transaction() as session:
                _, member = await batches.hold_turn(session, batch_id=batch.id, client_id=client_id)
                await batches.note_put_off(session, member, reason=refusal.code, until=None, now=now)
