"""The search index: a document for each organisation, and from each three characters the documents that hold them.

A document holds what an organisation is found by: its name, its people, its numbers, its tax number. It is derived:
triggers note in `search_stale` whose document has grown old, and `refresh` writes those anew at the end of the
transaction, each once however many rows an import has added. Why it is our own: `docs/decisions/0016-search-index.md`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from crm.base.phone_parsing import digits_sought, national
from crm.text_rules import fold

BREAK: Final = "|"  # stands between words; one before a person's name, two before the organisation's
_SEPARATORS: Final = re.compile(r"""[\s«»"“”„()\[\]–—,./\\'’№:;|-]+""")
GRAM: Final = 3
_MOST_GRAMS: Final = 4
_MOST_JOINTS: Final = 2
_TWO_WORDS: Final = 45
_SHORT: Final = 8
_BY_FREQUENCY: Final = "|оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъ"  # what is none of these is rarer than they are
_BASE: Final = 1021
_MODULUS: Final = 2_147_483_647
_PLACES: Final = 30
_EACH: Final = 100
SAMPLE: Final = _PLACES * _EACH
"""A sample is so many organisations at each of so many places, spread over the base."""
_BATCH: Final = 5_000  # both databases allow some 32,000 parameters in a statement

DOCUMENTS: Final = sa.table(
    "search_documents", sa.column("organisation_id", sa.Integer), sa.column("document", sa.Text)
)
_STALE: Final = sa.table("search_stale", sa.column("organisation_id", sa.Integer))
_TRIGRAMS: Final = sa.table("search_trigrams", sa.column("rowid", sa.Integer))
_ORGANISATIONS: Final = sa.table(
    "organisations", sa.column("id", sa.Integer), sa.column("name_folded", sa.Text), sa.column("tax_number", sa.Text)
)
_PEOPLE: Final = sa.table("people", sa.column("organisation_id", sa.Integer), sa.column("name_folded", sa.Text))
_NUMBERS: Final = sa.table("phone_numbers", sa.column("organisation_id", sa.Integer), sa.column("e164", sa.Text))


class _Place(FunctionElement[int]):
    """Where the second text stands in the first, from 1; 0: nowhere. Several times as fast as LIKE."""

    type = sa.Integer()
    inherit_cache = True


@compiles(_Place, "sqlite")
def _in_sqlite(element: _Place, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Place, "postgresql")
def _in_postgresql(element: _Place, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


def plain(text: str) -> str:
    """Folded, with one `BREAK` for whatever stands between words, and none at its ends: quotation marks and hyphens are
    no matter."""
    return _SEPARATORS.sub(BREAK, fold(text)).strip(BREAK)


@dataclass(frozen=True, slots=True)
class Needle:
    """What is sought: documents that hold one of `patterns`, each of three characters or more."""

    patterns: tuple[str, ...]

    def stands_in(self, document: ColumnElement[str]) -> ColumnElement[bool]:
        """As a condition: one of the patterns stands in `document`."""
        return _holds(document, [sa.literal(pattern) for pattern in self.patterns])

    def named(self, dialect: str, begin: int, end: int) -> Select[Any]:
        """Those of the index alone with ids from `begin` to before `end`, in no order. On SQLite the documents are
        still to be looked at; PostgreSQL does that with the same step, and asks no end."""
        if dialect == "sqlite":
            here = _TRIGRAMS.c.rowid
            return sa.select(here.label("organisation_id")).where(self._match(), here >= begin, here < end)
        found = self.organisations(dialect)
        return found if begin <= 0 else found.where(DOCUMENTS.c.organisation_id >= begin)

    def _match(self) -> ColumnElement[bool]:
        grams = " OR ".join(f"({' AND '.join(map(_quoted, _grams(pattern)))})" for pattern in self.patterns)
        return sa.literal_column("search_trigrams", sa.Boolean).op("MATCH", is_comparison=True)(grams)

    def organisations(self, dialect: str) -> Select[Any]:
        """The ids of the organisations, by the index. What the index finds is looked at once more: it knows which three
        characters a document holds, not in which order."""
        found = sa.select(DOCUMENTS.c.organisation_id)
        if dialect == "sqlite":
            found = found.where(self.stands_in(DOCUMENTS.c.document))
            return found.where(DOCUMENTS.c.organisation_id.in_(sa.select(_TRIGRAMS.c.rowid).where(self._match())))
        # PostgreSQL takes LIKE for rare, as it is here; what is compared with 0 it takes for common.
        found = found.where(sa.or_(*(DOCUMENTS.c.document.contains(each, autoescape=True) for each in self.patterns)))
        held = sa.func.search_grams(DOCUMENTS.c.document)
        return found.where(
            sa.or_(*(held.op("@>")(sa.cast(_hashes(pattern), sa.ARRAY(sa.Integer))) for pattern in self.patterns))
        )


def _holds(document: ColumnElement[str], patterns: Iterable[ColumnElement[str]]) -> ColumnElement[bool]:
    return sa.or_(*(_Place(document, pattern) > 0 for pattern in patterns))


async def estimated(session: AsyncSession, needle: Needle) -> tuple[int, float]:
    """The id of the last document, and about how many hold what is sought: by a sample from all over the base."""
    values = {f"pattern_{number}": pattern for number, pattern in enumerate(needle.patterns)}
    last_id, looked_at, held = (await session.execute(_sample(len(values)), values)).one()
    # One more than was seen: of what none of the sample holds there may be some.
    return last_id or 0, (last_id or 0) * (held + 1) / (looked_at + 1)


@functools.cache
def _sample(patterns: int) -> Select[Any]:
    """The last id, how many documents were looked at, and how many of these hold one of so many patterns; put together
    once."""
    last = sa.select(sa.func.max(DOCUMENTS.c.organisation_id)).scalar_subquery()
    places, here = sampled_places(last), DOCUMENTS.c.organisation_id
    values = [sa.bindparam(f"pattern_{number}", type_=sa.Text) for number in range(patterns)]
    seen = sa.select(_holds(DOCUMENTS.c.document, values).label("held"))
    of = seen.join_from(places, DOCUMENTS, here.between(places.c.at, places.c.up_to)).subquery()
    return sa.select(last, sa.func.count(), sa.func.count().filter(of.c.held)).select_from(of)


def sampled_places(last: ColumnElement[int]) -> sa.CTE:
    """Of the ids up to the last one those at which a part of the sample begins (`at`) and ends (`up_to`)."""
    places = sa.select(sa.literal(1).label("at"), sa.literal(_EACH).label("up_to")).cte("places", recursive=True)
    further = places.c.at + last // _PLACES + _EACH
    return places.union_all(sa.select(further, further + (_EACH - 1)).where(further <= last))


def needle_of(text: str) -> Needle | None:
    """What is sought with `text`; `None` for nothing. Three characters and more may stand anywhere, also in the middle
    of a word or a number; two begin a word of a name, one begins the organisation's."""
    sought = plain(text) or fold(text)  # nobody's name is a quotation mark: that finds nobody
    if not sought:
        return None
    patterns = [sought.rjust(GRAM, BREAK)]
    if (digits := national(digits_sought(text))) and digits not in patterns:
        patterns.append(digits)
    return Needle(tuple(patterns))


def _grams(pattern: str) -> list[str]:
    """The grams to look for: of a long pattern the few, apart from one another, that seem rarest by their letters. Each
    that half of the base holds costs as much as the rest, and tells nothing: the document is looked at anyway."""
    places = sorted(range(len(pattern) - GRAM + 1), key=lambda at: (_rarity(pattern[at : at + GRAM]), at), reverse=True)
    apart = 1 if len(pattern) <= _SHORT // 2 else 2 if len(pattern) <= _SHORT else GRAM
    chosen: list[int] = []
    for at in places:
        if len(chosen) < _MOST_GRAMS and all(abs(at - other) >= apart for other in chosen):
            chosen.append(at)
    return [pattern[at : at + GRAM] for at in chosen]


def _rarity(gram: str) -> int:
    if gram[1] == BREAK:
        return _TWO_WORDS  # it tells of two words, which each alone may be anybody's
    return sum(_BY_FREQUENCY.find(character) % (len(_BY_FREQUENCY) + 1) for character in gram)


def _quoted(gram: str) -> str:
    escaped = gram.replace('"', '""')
    return f'"{escaped}"'


def _hashes(pattern: str) -> list[int]:
    """As the database's function `search_grams` makes them: of trigrams, and where two words meet of the three
    characters before and the three after, which few hold together."""
    joints = _joints(pattern)[:_MOST_JOINTS]
    grams = [gram for gram in _grams(pattern) if not joints or gram[1] != BREAK]
    return [*joints, *(_hash(gram) for gram in grams[: _MOST_GRAMS - len(joints)])]


def _joints(pattern: str) -> list[int]:
    parts = ((pattern[at - GRAM : at], pattern[at + 1 : at + 1 + GRAM]) for at in range(GRAM, len(pattern) - GRAM))
    ends = [part for at, part in enumerate(parts, GRAM) if pattern[at] == BREAK and BREAK not in "".join(part)]
    return [(_hash(before) * _BASE + _hash(after)) % _MODULUS for before, after in ends]


def _hash(gram: str) -> int:
    first, second, third = map(ord, gram)
    return ((first * _BASE + second) * _BASE + third) % _MODULUS


async def refresh(session: AsyncSession) -> None:
    """Write anew the documents that what this transaction has written makes old."""
    if await session.scalar(sa.select(sa.exists(sa.select(_STALE.c.organisation_id)))):
        await (await session.connection()).run_sync(refresh_now)


def refresh_now(connection: Connection) -> None:
    """As `refresh`, where it is known that there are old ones."""
    stale = sorted(set(connection.scalars(sa.select(_STALE.c.organisation_id))))
    for begin in range(0, len(stale), _BATCH):
        _write(connection, stale[begin : begin + _BATCH])
    connection.execute(sa.delete(_STALE))


def _write(connection: Connection, ids: list[int]) -> None:
    if connection.dialect.name == "postgresql":
        # Of two who change one organisation at once the second sees what the first has written.
        held = sa.select(DOCUMENTS.c.organisation_id).where(DOCUMENTS.c.organisation_id.in_(ids))
        connection.execute(held.order_by(DOCUMENTS.c.organisation_id).with_for_update())
    rows = [
        {"organisation_id": organisation_id, "document": document}
        for organisation_id, document in _documents(connection, ids).items()
    ]
    if not rows:
        return
    upsert = (
        "INSERT INTO search_documents (organisation_id, document) VALUES (:organisation_id, :document)"
        " ON CONFLICT (organisation_id) DO UPDATE SET document = excluded.document"
        " WHERE search_documents.document <> excluded.document"
    )
    connection.execute(sa.text(upsert), rows)


def _documents(connection: Connection, ids: list[int]) -> dict[int, str]:
    """The documents by organisation."""
    people: dict[int, list[str]] = {}
    numbers: dict[int, list[str]] = {}
    for known, table in ((people, _PEOPLE), (numbers, _NUMBERS)):
        for organisation_id, text in connection.execute(sa.select(table).where(table.c.organisation_id.in_(ids))):
            known.setdefault(organisation_id, []).append(text)
    organisations = sa.select(_ORGANISATIONS).where(_ORGANISATIONS.c.id.in_(ids))
    return {
        each: document_of(name, people.get(each, ()), numbers.get(each, ()), tax_number)
        for each, name, tax_number in connection.execute(organisations)
    }


def document_of(name: str, people: Iterable[str], numbers: Iterable[str], tax_number: str) -> str:
    """Name, people, numbers in E.164, tax number, a line each."""
    return "\n".join((BREAK * 2 + plain(name), *(BREAK + plain(each) for each in people), *numbers, tax_number))
