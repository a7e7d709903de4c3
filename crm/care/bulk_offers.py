"""An offer to all clients that a filter leaves: shown before, with who gets nothing and why, and begun once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.saved_filters import narrowing_of
from crm.errors import NotFound, Refused
from crm.mail.outbox import GOES_OUT_AFTER
from crm.offers.addressees import Addressee, addressees
from crm.offers.batches import MOST_AN_HOUR, BatchClient, BatchStep, OfferBatch, batch_of_form, note_begun
from crm.offers.letter_rules import Had
from crm.offers.templates import OfferTemplate, OfferText
from crm.reading.client_list import ClientFilters, matching_clients

MOST_CLIENTS: Final = 10_000
MOST_DAYS: Final = 3_650
_AT_ONCE: Final = 1_000  # calls go on between these
_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class BatchWanted:
    """What is to go: `per_hour` so many; to nobody who had the template within `not_within` days, 0: that does not
    matter."""

    text_id: int
    per_hour: int
    not_within: int


@dataclass(frozen=True, slots=True)
class BatchPreview:
    """All clients of the filter. `seen` says which they are and how they are now."""

    template: OfferTemplate
    text: OfferText
    rows: tuple[Addressee, ...]
    seen: str

    @property
    def going(self) -> tuple[Addressee, ...]:
        return tuple(row for row in self.rows if row.goes)

    @property
    def left_out(self) -> Counter[str]:
        """How many get nothing, by reason."""
        return Counter(row.code for row in self.rows if not row.goes)

    @property
    def later(self) -> Counter[str]:
        """How many have to wait first, by reason."""
        return Counter(row.code for row in self.rows if row.goes and row.code)


async def preview(
    session: AsyncSession, *, filters: ClientFilters, wanted: BatchWanted, now: datetime, sender_id: int | None = None
) -> BatchPreview:
    """To whom it would go, and to whom not and why. Raises `Refused` for a filter that narrows nothing, for too many
    clients and for a pace that is none, `NotFound` for a text that is not sent any more."""
    if not narrowing_of(filters):
        raise Refused("batch.narrow_first")
    if not 0 < wanted.per_hour <= MOST_AN_HOUR:
        raise Refused("batch.pace", most=MOST_AN_HOUR)
    if not 0 <= wanted.not_within <= MOST_DAYS:
        raise Refused("batch.days", most=MOST_DAYS)
    found = await session.execute(
        select(OfferText, OfferTemplate)
        .join(OfferTemplate, OfferTemplate.id == OfferText.template_id)
        .where(OfferText.id == wanted.text_id, OfferTemplate.retired_at.is_(None))
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("offer.template_unknown")
    text, template = row
    ids = await matching_clients(session, filters=filters, limit=MOST_CLIENTS + 1)
    if len(ids) > MOST_CLIENTS:
        raise Refused("bulk.too_many", most=MOST_CLIENTS)
    since = _had_since(wanted, now)
    rows = await addressees(
        session, ids, text=text, template=template, now=now, sender_id=sender_id,
        unless=None if since is None else Had(template.id, since),
    )  # fmt: skip
    told = sorted((each.client_id, each.to.address if each.to else "", each.code) for each in rows)
    told_of = f"{wanted.text_id} {wanted.not_within}\n{told}"
    return BatchPreview(template, text, tuple(rows), hashlib.sha256(told_of.encode()).hexdigest())


def _had_since(wanted: BatchWanted, now: datetime) -> datetime | None:
    return now - timedelta(days=wanted.not_within) if wanted.not_within else None


async def begin(
    session: AsyncSession,
    *,
    shown: BatchPreview,
    filters: ClientFilters,
    wanted: BatchWanted,
    key: str,
    now: datetime,
    author_id: int | None = None,
) -> OfferBatch:
    """Begin to send it to all to whom it goes as it was `shown`: each is asked about again when its turn comes. `key`,
    32 hexadecimal digits, is of this form: clicked twice it is begun once. Raises `Refused` when it would go to
    nobody."""
    if not _KEY.fullmatch(key):
        raise Refused("offer.key")
    if not shown.going:
        raise Refused("batch.goes_to_nobody")
    await session.get_one(OfferTemplate, shown.template.id, with_for_update=True)  # one after another
    if (known := await batch_of_form(session, key)) is not None:
        return known
    batch = OfferBatch(
        key=key, text_id=shown.text.id, narrowing=narrowing_of(filters), per_hour=wanted.per_hour,
        had_since=_had_since(wanted, now), at=now, author_id=author_id, clients=len(shown.rows),
        left_out=dict(shown.left_out), next_at=now + GOES_OUT_AFTER,
    )  # fmt: skip
    session.add(batch)
    await session.flush()
    of_each = [
        {"batch_id": batch.id, "client_id": row.client_id, "place": place,
         "step": BatchStep.WAITING if row.goes else BatchStep.LEFT_OUT, "reason": row.code, "not_before": row.next_at}
        for place, row in enumerate(shown.rows)
    ]  # fmt: skip
    for first in range(0, len(of_each), _AT_ONCE):
        await session.execute(insert(BatchClient), of_each[first : first + _AT_ONCE])
    note_begun(session, batch, now=now)
    await session.flush()
    return batch
