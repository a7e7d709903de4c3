"""Who was erased does not come back by an import: they are known by digests that only the office's key can make."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.erasure_rows import Tombstone
from crm.base.organisation_keys import name_key, tax_key
from crm.errors import Refused
from crm.office.headset_keys import OFFICE_KEY
from crm.text_rules import fold


class Mark(NamedTuple):
    """By what somebody erased is known again: the digest of `text` is kept, so it stays as it is. What tells of them
    has the last digits of the `number` in it, or the folded `name`."""

    text: str
    number: str = ""
    name: str = ""


OFFICE_MARK: Final = Mark("office")
"""Its digest is among every office's, so that another key is noticed."""

OF_ERASED: Final = frozenset({"row.organisation_erased", "row.number_erased", "row.person_erased", "row.erased"})
"""Why a row of a file is refused that tells of somebody erased."""

_PURPOSE: Final = b"dialer tombstones 1"
_TAIL: Final = 5  # digits of a number that stand in a row even if its area code does not
_NOT_DIGITS: Final = re.compile("[^0-9]+")


def office_key(session: AsyncSession) -> bytes:
    """The office's key. Raises `Refused` when there is none."""
    key = session.info.get(OFFICE_KEY)
    if not key:
        raise Refused("erasure.no_key")
    return bytes(key)


def organisation_marks(name: str, e164s: Iterable[str], tax_number: str = "") -> set[Mark]:
    """By what an organisation is known: its name with each number, and with its tax number."""
    key, tax = name_key(name), tax_key(tax_number)
    return {Mark(f"organisation|{key}|{number}", number=number) for number in (*e164s, *([tax] if tax else ()))}


def person_marks(full_name: str, organisation: str, e164s: Iterable[str]) -> set[Mark]:
    """By what a person is known: their name with the organisation's, and with each number."""
    name = fold(full_name)
    if not name:
        return set()
    return {Mark(f"person|{name}|{other}", name=name) for other in (name_key(organisation), *e164s)}


def number_mark(e164: str) -> Mark:
    """By what a number is known that was somebody's own."""
    return Mark(f"number|{e164}", number=e164)


def digests(key: bytes, marks: Iterable[Mark]) -> set[str]:
    """The digests of these marks."""
    own = hmac.digest(key, _PURPOSE, hashlib.sha256)
    return {hmac.digest(own, mark.text.encode(), hashlib.sha256).hex() for mark in marks}


@dataclass(frozen=True, slots=True)
class Hints:
    """What stands in every row of a file that one of some marks may recognise, so that only such rows are read: ends of
    numbers or tax numbers, or a name."""

    digits: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, marks: Collection[Mark]) -> Hints:
        """Those of `marks`."""
        digits = (_NOT_DIGITS.sub("", mark.number)[-_TAIL:] for mark in marks)
        return cls(frozenset(filter(None, digits)), frozenset(mark.name for mark in marks if mark.name))

    def may_be_in(self, cells: Sequence[str]) -> bool:
        """Whether these cells of a row have one of them."""
        text = fold(" ".join(cells))
        run = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", text))  # wide digits are read as numbers, too
        return any(each in run for each in self.digits) or any(name in text for name in self.names)


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

    def among(self, marks: Iterable[Mark]) -> bool:
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
