"""Who was erased does not come back by an import: they are known by digests that only the office's key can make."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.erasure_rows import Tombstone
from crm.base.organisation_keys import name_key, tax_key
from crm.errors import Refused
from crm.office.headset_keys import OFFICE_KEY
from crm.text_rules import fold

OFFICE_MARK: Final = "office"
"""Its digest is among every office's, so that another key is noticed."""

OF_ERASED: Final = frozenset({"row.organisation_erased", "row.number_erased", "row.person_erased", "row.erased"})
"""Why a row of a file is refused that tells of somebody erased."""

_PURPOSE: Final = b"dialer tombstones 1"


def office_key(session: AsyncSession) -> bytes:
    """The office's key. Raises `Refused` when there is none."""
    key = session.info.get(OFFICE_KEY)
    if not key:
        raise Refused("erasure.no_key")
    return bytes(key)


def organisation_marks(name: str, e164s: Iterable[str], tax_number: str = "") -> set[str]:
    """By what an organisation is known: its name with each number, and with its tax number."""
    key = name_key(name)
    marks = {f"organisation|{key}|{e164}" for e164 in e164s}
    return marks | ({f"organisation|{key}|{tax_key(tax_number)}"} if tax_key(tax_number) else set())


def person_marks(full_name: str, organisation: str, e164s: Iterable[str]) -> set[str]:
    """By what a person is known: their name with the organisation's, and with each number."""
    name = fold(full_name)
    if not name:
        return set()
    return {f"person|{name}|{name_key(organisation)}", *(f"person|{name}|{e164}" for e164 in e164s)}


def number_mark(e164: str) -> str:
    """By what a number is known that was somebody's own."""
    return f"number|{e164}"


def digests(key: bytes, marks: Iterable[str]) -> set[str]:
    """The digests of these marks."""
    own = hmac.digest(key, _PURPOSE, hashlib.sha256)
    return {hmac.digest(own, mark.encode(), hashlib.sha256).hex() for mark in marks}


class Erasures:
    """Everyone who was erased, for one import."""

    def __init__(self, known: frozenset[str] = frozenset(), key: bytes = b"") -> None:
        self._known = known
        self._key = key

    @classmethod
    async def read(cls, session: AsyncSession) -> Erasures:
        """Raises `Refused` when somebody was erased and the office's key is not at hand: then nobody can tell whom."""
        if not await session.scalar(select(exists().where(Tombstone.erasure_id > 0))):
            return cls()
        known, key = frozenset(await session.scalars(select(Tombstone.digest))), office_key(session)
        if known.isdisjoint(digests(key, [OFFICE_MARK])):
            raise Refused("erasure.no_key")
        return cls(known, key)

    def among(self, marks: Iterable[str]) -> bool:
        """Whether one of `marks` is that of somebody erased."""
        return bool(self._known) and not self._known.isdisjoint(digests(self._key, marks))

    def code_of(self, *, organisation: str, e164s: Iterable[str], tax_number: str = "", person: str = "") -> str:
        """Why a row with these may not be taken: the code of a sentence, "" when it may."""
        if not self._known:
            return ""
        numbers = list(e164s)
        if self.among(organisation_marks(organisation, numbers, tax_number)):
            return "row.organisation_erased"
        if self.among(map(number_mark, numbers)):
            return "row.number_erased"
        return "row.person_erased" if person and self.among(person_marks(person, organisation, numbers)) else ""
