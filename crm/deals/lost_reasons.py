"""Why deals are lost: the usual reasons, as each campaign has decided them, and its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, Refused
from crm.mapping import Base, Versioned
from crm.preparation.campaigns import get_campaign
from crm.text_rules import tidy

USUAL: Final = ("price", "competitor", "no_money", "no_need", "terms", "silent", "other")
OTHER: Final = "other"
"""It says nothing by itself: a text has to."""
MISTAKE: Final = "mistake"
"""The deal never was: the outcome that had opened it was taken back. Nobody chooses it."""
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")


class LostReasonRow(Versioned, Base):
    """How a campaign's reason differs from the usual one, or its own. A label of "" is the usual one's."""

    __tablename__ = "lost_reasons"
    __table_args__ = (
        CheckConstraint(f"key <> '{MISTAKE}' AND length(key) > 0", name="key"),
        UniqueConstraint("campaign_id", "key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    key: Mapped[str] = mapped_column(String(24))
    label_ru: Mapped[str] = mapped_column(Text, default="")
    label_en: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool] = mapped_column(default=True)


@dataclass(frozen=True, slots=True)
class LostReason:
    """A reason with its own labels (Russian, English; "" for the usual ones), whether it is offered, and the version of
    its row, 0 where there is none."""

    key: str
    labels: tuple[str, str] = ("", "")
    active: bool = True
    version: int = 0


async def lost_reasons(session: AsyncSession, campaign_id: int) -> dict[str, LostReason]:
    """All reasons of the campaign by key, those that are switched off too: the usual ones first, then its own."""
    found = {key: LostReason(key) for key in USUAL}
    rows = select(LostReasonRow).where(LostReasonRow.campaign_id == campaign_id).order_by(LostReasonRow.id)
    for row in await session.scalars(rows):
        found[row.key] = LostReason(row.key, (row.label_ru, row.label_en), row.active, row.version)
    return found


async def own_reason_labels(session: AsyncSession, language: str) -> dict[tuple[int, str], str]:
    """The campaigns' own names of reasons, by campaign and key, for lists over all campaigns."""
    rows = await session.scalars(select(LostReasonRow))
    named = {(row.campaign_id, row.key): row.label_ru if language == "ru" else row.label_en for row in rows}
    return {key: label for key, label in named.items() if label}


async def assert_reason(session: AsyncSession, campaign_id: int, key: str, note: str) -> None:
    """Raises `Refused` for a reason that there is not or that is switched off, and for "other" without a `note`."""
    if not key:
        raise Refused("deal.needs_reason")
    found = (await lost_reasons(session, campaign_id)).get(key)
    if found is None or not found.active:
        raise Refused("deal.unknown_reason", reason=key)
    if key == OTHER and not note:
        raise Refused("deal.needs_words")


async def set_lost_reason(
    session: AsyncSession,
    *,
    campaign_id: int,
    key: str,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    **changes: Any,
) -> None:
    """Add a reason of the campaign or change one: `label_ru`, `label_en`, `active`; what is not named stays. `version`:
    that which the author saw, 0 for none. Raises `Refused` for what cannot be, `Conflict` when somebody has changed it
    since, `NotFound`."""
    await get_campaign(session, campaign_id, lock=True)
    present = await lost_reasons(session, campaign_id)
    was = present.get(key)
    if was is None and (not _KEY.fullmatch(key) or key == MISTAKE):
        raise Refused("lost_reason.key")
    if version is not None and version != (was.version if was else 0):
        raise Conflict("lost_reason.changed_meanwhile")
    before = was or LostReason(key)
    labels = (tidy(changes.get("label_ru", before.labels[0])), tidy(changes.get("label_en", before.labels[1])))
    changed = LostReason(key, labels, changes.get("active", before.active), before.version)
    if changed == was:
        return
    _assert_possible(changed, present)
    row = await session.scalar(
        select(LostReasonRow).where(LostReasonRow.campaign_id == campaign_id, LostReasonRow.key == key)
    )
    if row is None:
        row = LostReasonRow(campaign_id=campaign_id, key=key)
        session.add(row)
    row.label_ru, row.label_en, row.active = *labels, changed.active
    audit.note(
        session, at=now, user_id=author_id, action=audit.LOST_REASON_SET, subject=f"campaign:{campaign_id}",
        details={"key": key, "was": _plain(was), "now": _plain(changed)},
    )  # fmt: skip
    await session.flush()


def _assert_possible(changed: LostReason, present: Mapping[str, LostReason]) -> None:
    if changed.key not in USUAL and not all(changed.labels):
        raise Refused("lost_reason.labels")
    together = {**present, changed.key: changed}
    if not any(each.active for each in together.values()):
        raise Refused("lost_reason.last")


def _plain(reason: LostReason | None) -> dict[str, object] | None:
    return None if reason is None else {"labels": list(reason.labels), "active": reason.active}
