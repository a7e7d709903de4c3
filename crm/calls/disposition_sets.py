"""Dispositions as the office and its campaigns have decided them: the usual ten, changed, switched off, and others that
act like one of them. A campaign's row weighs more than the office's, that more than what is usual."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, Refused
from crm.group import Group
from crm.mapping import Base, Versioned, json_column, one_of
from crm.one_at_a_time import Deed, one_at_a_time
from crm.plan.dispositions import DISPOSITIONS, Ask, Disposition
from crm.plan.outcome_chain import UNDONE
from crm.text_rules import tidy

DIGITS: Final = "1234567890"
# What can be made necessary; whether a number alone is meant always has an answer.
REQUIRABLE: Final = tuple(ask for ask in Ask if ask not in (Ask.NUMBER_ONLY, Ask.EXPERT))
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")
_OF_OFFICE: Final = text("campaign_id IS NULL")


class DispositionRow(Versioned, Base):
    """How a disposition differs from the usual one. `campaign_id` `None`: in the whole office. `like`: the usual one
    that it acts like, "" for one of those itself; `digit` "" has no key; `required`: values of `Ask`."""

    __tablename__ = "dispositions"
    __table_args__ = (
        CheckConstraint(f"key <> '{UNDONE}' AND length(key) > 0", name="key"),
        CheckConstraint("digit IN ('', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9')", name="digit"),
        UniqueConstraint("campaign_id", "key"),
        Index("uq_dispositions_of_office", "key", unique=True, sqlite_where=_OF_OFFICE, postgresql_where=_OF_OFFICE),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"))
    key: Mapped[str] = mapped_column(String(24))
    like: Mapped[str] = mapped_column("acts_like", String(24), default="")
    label_ru: Mapped[str] = mapped_column(Text, default="")
    label_en: Mapped[str] = mapped_column(Text, default="")
    digit: Mapped[str] = mapped_column(String(1), default="")
    group: Mapped[Group | None] = mapped_column("client_group", one_of(Group, "client_group"))
    required: Mapped[list[str]] = mapped_column(json_column(), default=list)
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


async def dispositions_of(session: AsyncSession, campaign_id: int | None) -> dict[str, Disposition]:
    """All dispositions of a campaign, or of the office, by key in the order of their digits; also those that are
    switched off (`active`)."""
    found = dict(DISPOSITIONS)
    for row in await _rows(session, campaign_id):
        found[row.key] = _made(row)
    return dict(sorted(found.items(), key=lambda item: (DIGITS.find(item[1].digit) % 99, item[0])))


async def disposition_of(session: AsyncSession, campaign_id: int, key: str) -> Disposition:
    """Raises `Refused` for a key that there is not, or that is switched off."""
    found = (await dispositions_of(session, campaign_id)).get(key)
    if found is None or not found.active:
        raise Refused("outcome.unknown_disposition", disposition=key)
    return found


async def disposition_then(session: AsyncSession, campaign_id: int, key: str) -> Disposition:
    """That of an outcome from before, also when it is switched off by now; from one that there is not nothing
    follows."""
    return (await dispositions_of(session, campaign_id)).get(key) or Disposition(key, "", None)


async def own_labels(session: AsyncSession, language: str) -> dict[str, str]:
    """The office's and the campaigns' own names by key, for lists over all campaigns: the office's name first, and a
    campaign's only for what is its own."""
    names: dict[str, str] = {}
    rows = await session.scalars(select(DispositionRow).order_by(DispositionRow.campaign_id.is_not(None)))
    for row in rows:
        name = row.label_ru if language == "ru" else row.label_en
        if name and (row.campaign_id is None or row.like):
            names.setdefault(row.key, name)
    return names


async def set_disposition(
    session: AsyncSession,
    *,
    campaign_id: int | None,
    key: str,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    **changes: Any,
) -> None:
    """Add a disposition or change one: `like` (only of a new one), `label_ru`, `label_en`, `digit`, `group`, `required`
    (a collection of `Ask`), `active`. What is not named stays. `version`: that which the author saw, 0 for none. Raises
    `Refused` for what cannot be, `Conflict` when somebody has changed it since."""
    # The office's keys are the campaigns' as well, and two rows that are new have nothing in common to be held.
    await one_at_a_time(session, Deed.CHANGING_DISPOSITIONS)
    present = await dispositions_of(session, campaign_id)
    was = present.get(key)
    if was is None:
        _assert_new(key, changes)
        was = replace(DISPOSITIONS[changes["like"]], key=key, like=changes["like"], digit="")
    changed = _changed(was, changes)
    row = await _row_of(session, campaign_id, key, version)
    _assert_possible(changed, {**present, key: changed})
    await _write(session, campaign_id, row, present.get(key), changed, now=now, author_id=author_id)


async def set_dispositions(
    session: AsyncSession,
    *,
    campaign_id: int | None,
    changes: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, int],
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Change several, by key, as `set_disposition` changes one; they are judged by what they come to together, so that
    two may exchange their digits. What stays as it is is not written. Raises as `set_disposition`; then none is
    changed once the transaction is rolled back."""
    await one_at_a_time(session, Deed.CHANGING_DISPOSITIONS)
    present = await dispositions_of(session, campaign_id)
    if not set(changes) <= set(present):
        raise Refused("disposition.key")
    together = {key: _changed(was, changes.get(key, {})) for key, was in present.items()}
    differing = [key for key in changes if together[key] != present[key]]
    rows = {key: await _row_of(session, campaign_id, key, versions.get(key, 0)) for key in differing}
    for key in differing:
        _assert_possible(together[key], together)
    for key in differing:
        await _write(session, campaign_id, rows[key], present[key], together[key], now=now, author_id=author_id)


async def _row_of(
    session: AsyncSession, campaign_id: int | None, key: str, version: int | None
) -> DispositionRow | None:
    row = await session.scalar(select(DispositionRow).where(*_is(campaign_id, key)))
    if version is not None and version != (row.version if row else 0):
        raise Conflict("disposition.changed_meanwhile")
    return row


async def _write(
    session: AsyncSession,
    campaign_id: int | None,
    row: DispositionRow | None,
    was: Disposition | None,
    changed: Disposition,
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    key = changed.key
    if row is None:
        row = DispositionRow(campaign_id=campaign_id, key=key, like=changed.like)
        session.add(row)
    row.label_ru, row.label_en = changed.labels
    row.digit, row.group, row.active = changed.digit, changed.group, changed.active
    row.required = sorted(changed.required)
    audit.note(
        session, at=now, user_id=author_id, action=audit.DISPOSITION_SET,
        subject=f"campaign:{campaign_id}" if campaign_id is not None else "office",
        details={"key": key, "was": _plain(was), "now": _plain(changed)},
    )  # fmt: skip
    await session.flush()


def _is(campaign_id: int | None, key: str) -> tuple[Any, ...]:
    whose = DispositionRow.campaign_id.is_(None) if campaign_id is None else DispositionRow.campaign_id == campaign_id
    return whose, DispositionRow.key == key


async def _rows(session: AsyncSession, campaign_id: int | None) -> list[DispositionRow]:
    whose = or_(DispositionRow.campaign_id.is_(None), DispositionRow.campaign_id == campaign_id)
    ordered = select(DispositionRow).where(whose).order_by(DispositionRow.campaign_id.is_not(None))
    return list(await session.scalars(ordered))


async def versions_of_rows(session: AsyncSession, campaign_id: int | None) -> dict[str, int]:
    """The versions of the rows that are the campaign's, or the office's, own."""
    found = await session.execute(select(DispositionRow.key, DispositionRow.version).where(_is(campaign_id, "")[0]))
    return dict(found.all())


def _made(row: DispositionRow) -> Disposition:
    base = DISPOSITIONS[row.like or row.key]
    required = frozenset(Ask(value) for value in row.required)
    asks = (*base.asks, *(ask for ask in REQUIRABLE if ask in required and ask not in base.asks))
    return replace(
        base, key=row.key, like=row.like, digit=row.digit, group=row.group, asks=asks, required=required,
        labels=(row.label_ru, row.label_en), active=row.active,
    )  # fmt: skip


def _changed(was: Disposition, changes: Mapping[str, Any]) -> Disposition:
    required: Collection[Ask] = changes.get("required", was.required)
    return replace(
        was,
        labels=(tidy(changes.get("label_ru", was.labels[0])), tidy(changes.get("label_en", was.labels[1]))),
        digit=changes.get("digit", was.digit),
        group=changes.get("group", was.group),
        required=frozenset(required),
        active=changes.get("active", was.active),
    )


def _assert_new(key: str, changes: Mapping[str, Any]) -> None:
    if not _KEY.fullmatch(key) or key == UNDONE:
        raise Refused("disposition.key")
    if changes.get("like") not in DISPOSITIONS:
        raise Refused("disposition.like")


def _assert_possible(changed: Disposition, all_of_them: Mapping[str, Disposition]) -> None:
    if changed.like and not all(changed.labels):
        raise Refused("disposition.labels")
    if changed.digit not in ("", *DIGITS):
        raise Refused("disposition.digit")
    if not changed.required <= set(REQUIRABLE):
        raise Refused("disposition.required")
    if changed.group_is_its_meaning and changed.group is not DISPOSITIONS[changed.acts_as].group:
        raise Refused("disposition.group")
    if changed.group is Group.NEW:
        raise Refused("disposition.group")
    on = [each for each in all_of_them.values() if each.active]
    if changed.active and changed.digit and [each.digit for each in on].count(changed.digit) > 1:
        raise Refused("disposition.digit_taken", digit=changed.digit)
    if not any(each.unanswered for each in on) or not any(each.makes_contact for each in on):
        raise Refused("disposition.last")


def _plain(disposition: Disposition | None) -> dict[str, object] | None:
    if disposition is None:
        return None
    return {
        "like": disposition.like,
        "labels": list(disposition.labels),
        "digit": disposition.digit,
        "group": disposition.group.value if disposition.group else None,
        "required": sorted(disposition.required),
        "active": disposition.active,
    }
