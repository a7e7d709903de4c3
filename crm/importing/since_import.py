"""What has happened since an import to what it brought: somebody has worked with it, and it is not to be undone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from sqlalchemy import Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import Address
from crm.base.competitors import Competitor, CompetitorUse
from crm.base.duplicates import DuplicatePair, PairState
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import NumberState, PhoneNumber
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove
from crm.importing.imports import Import, ImportRow
from crm.mapping import Base
from crm.plan.plan_entries import EntryState, PlanEntry
from crm.text_rules import fold

MOST_IDS: Final = 5_000  # in one statement
_CALLED: Final = frozenset({"attempts", "contacts"})
# What goes with a row of the table, when nothing else speaks against it.
_TAKEN_CARE_OF: Final[dict[type[Base], frozenset[str]]] = {
    Client: frozenset({"group_moves", "plan_entries", "former_owners"}),
    Organisation: frozenset(
        {"clients", "people", "phone_numbers", "duplicate_pairs", "past_deals", "addresses", "competitor_uses"}
    ),
}


@dataclass(slots=True)
class Since:
    """What happened since the import: codes of `undo.` by id."""

    clients: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    organisations: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    numbers: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    people: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class Beside:
    """What organisations have now that nothing refers to: ids by organisation and by what a row says of it (`told`),
    and those that were changed since they were written."""

    ids: dict[int, dict[Any, int]] = field(default_factory=lambda: defaultdict(dict))
    edited: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Present:
    """What the organisations of the import have now: numbers by E.164 and extension, people by folded name, deals,
    addresses and competitors (`beside`, by their names in a row's change); and the former owners of clients by folded
    name."""

    numbers: dict[int, dict[tuple[str, str], int]] = field(default_factory=lambda: defaultdict(dict))
    people: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    owners: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    beside: dict[str, Beside] = field(
        default_factory=lambda: {name: Beside() for name in ("deals", "addresses", "competitors")}
    )


def told(row: ImportRow, name: str) -> set[Any]:
    """What the row has brought of `name`, a kind of what stands beside an organisation."""
    brought = row.change.get(name, ())
    return set(map(fold, brought)) if name == "competitors" else set(map(tuple, brought))


async def look_since(session: AsyncSession, found: Import, rows: list[ImportRow]) -> tuple[Since, Present]:
    """What has happened to what these rows brought, and what their organisations have now."""
    since, present = await _since(session, found, rows), await _present(session, rows)
    await _since_to_parts(session, present, since)
    _former_owners_since(rows, present, since)
    return since, present


async def _since(session: AsyncSession, found: Import, rows: list[ImportRow]) -> Since:
    since = Since()
    clients = {row.client_id: row for row in rows if row.client_id is not None}
    organisations = {row.organisation_id: row for row in rows if row.organisation_id is not None}
    await references(session, Client, clients, since.clients)
    await references(session, Organisation, organisations, since.organisations)
    await _moves(session, rows, since)
    planned: Select[Any] = select(PlanEntry.client_id).where(PlanEntry.state.in_((EntryState.CLAIMED, EntryState.DONE)))
    for client_id in await _among(session, planned, PlanEntry.client_id, clients):
        since.clients[client_id].add("undo.in_use")
    for side in (DuplicatePair.one_id, DuplicatePair.other_id):
        decided: Select[Any] = select(side).where(DuplicatePair.state != PairState.OPEN)
        for organisation_id in await _among(session, decided, side, organisations):
            since.organisations[organisation_id].add("undo.in_use")
    # What came with this import was met by others later, whichever of them was staged first.
    others = (ImportRow.import_id != found.id, ImportRow.undone.is_(None))
    again: Select[Any] = select(ImportRow.organisation_id).where(*others)
    for organisation_id in await _among(session, again, ImportRow.organisation_id, organisations):
        since.organisations[organisation_id].add("undo.imported_again")
    elsewhere = select(Client.organisation_id).where(Client.campaign_id != found.campaign_id)
    for organisation_id in await _among(session, elsewhere, Client.organisation_id, organisations):
        since.organisations[organisation_id].add("undo.in_use")
    await _versions(session, Client, [(row.client_id, row.client_version) for row in rows], since.clients)
    await _versions(session, Organisation, [(row.organisation_id, row.organisation_version) for row in rows],
                    since.organisations)  # fmt: skip
    return since


async def _versions(
    session: AsyncSession,
    kind: type[Client] | type[Organisation],
    left: list[tuple[int | None, int | None]],
    codes: dict[int, set[str]],
) -> None:
    """Note those that are not in the version in which the import left them."""
    table = kind.metadata.tables[kind.__tablename__]
    present: dict[int | None, int] = {}
    for batch in batches({each_id for each_id, _ in left}):
        found = await session.execute(select(table.c.id, table.c.version).where(table.c.id.in_(batch)))
        present.update((each_id, version) for each_id, version in found)
    for each_id, version in left:
        if each_id is not None and each_id in present and present[each_id] != version:
            codes[each_id].add("undo.edited")


async def _present(session: AsyncSession, rows: list[ImportRow]) -> Present:
    present = Present()
    for batch in batches({row.organisation_id for row in rows}):
        numbers = select(PhoneNumber.organisation_id, PhoneNumber.e164, PhoneNumber.extension, PhoneNumber.id)
        for owner, e164, extension, each_id in await session.execute(
            numbers.where(PhoneNumber.organisation_id.in_(batch))
        ):
            present.numbers[owner][e164, extension] = each_id
        people = select(Person.organisation_id, Person.full_name, Person.id)
        for owner, full_name, each_id in await session.execute(people.where(Person.organisation_id.in_(batch))):
            present.people[owner][fold(full_name)] = each_id
        await _present_beside(session, batch, present)
    for batch in batches({row.client_id for row in rows}):
        owners = select(FormerOwner.client_id, FormerOwner.name, FormerOwner.id)
        for owner, name, each_id in await session.execute(owners.where(FormerOwner.client_id.in_(batch))):
            present.owners[owner][fold(name)] = each_id
    return present


async def _present_beside(session: AsyncSession, organisations: list[int], present: Present) -> None:
    deals, addresses, rivals = (present.beside[name] for name in ("deals", "addresses", "competitors"))
    for deal in await session.scalars(select(PastDeal).where(PastDeal.organisation_id.in_(organisations))):
        deals.ids[deal.organisation_id][deal.made_on.isoformat(), deal.amount_minor, deal.what] = deal.id
        deals.edited |= {deal.id} if deal.version != 1 else set()
    for address in await session.scalars(select(Address).where(Address.organisation_id.in_(organisations))):
        addresses.ids[address.organisation_id][address.kind.value, address.written] = address.id
        addresses.edited |= {address.id} if address.version != 1 else set()
    uses = select(CompetitorUse, Competitor.name_folded).join(Competitor, Competitor.id == CompetitorUse.competitor_id)
    for use, name in await session.execute(uses.where(CompetitorUse.organisation_id.in_(organisations))):
        rivals.ids[use.organisation_id][name] = use.id
        rivals.edited |= {use.id} if use.version != 1 else set()


async def _since_to_parts(session: AsyncSession, present: Present, since: Since) -> None:
    """Note the numbers and people that are not as an import writes them, or that something refers to."""
    numbers = [each for found in present.numbers.values() for each in found.values()]
    people = [each for found in present.people.values() for each in found.values()]
    await references(session, PhoneNumber, numbers, since.numbers)
    await references(session, Person, people, since.people)
    changed = select(PhoneNumber.id).where((PhoneNumber.version != 1) | (PhoneNumber.state != NumberState.OK))
    for each in await _among(session, changed, PhoneNumber.id, numbers):
        since.numbers[each].add("undo.edited")
    for each in await _among(session, select(Person.id).where(Person.version != 1), Person.id, people):
        since.people[each].add("undo.edited")


async def references(session: AsyncSession, kind: type[Base], ids: Iterable[int], codes: dict[int, set[str]]) -> None:
    """Note which of the rows of `kind` something refers to that does not go with them."""
    wanted = list(ids)
    for table, column in _columns_that_name(kind):
        if table.name in _TAKEN_CARE_OF.get(kind, frozenset()):
            continue
        code = "undo.called" if table.name in _CALLED else "undo.in_use"
        for each_id in await _among(session, select(column), column, wanted):
            codes[each_id].add(code)


def _columns_that_name(kind: type[Base]) -> Iterator[tuple[Table, Any]]:
    """Every column of the database that holds ids of `kind` and holds on to them."""
    target = kind.metadata.tables[kind.__tablename__].c.id
    for table in kind.metadata.tables.values():
        for key in table.foreign_keys:
            if key.column is target and key.ondelete is None:  # others go with it, or let go of it, by themselves
                yield table, key.parent


async def _moves(session: AsyncSession, rows: list[ImportRow], since: Since) -> None:
    """Note the clients that have moved since."""
    own: dict[int, int] = defaultdict(int)
    for row in rows:
        if row.client_id is not None:
            own[row.client_id] += "group" in row.change.get("client", {})
    for batch in batches({row.client_id for row in rows if row.change.get("new_client")}):
        counted = select(GroupMove.client_id, func.count()).where(GroupMove.client_id.in_(batch))
        for client_id, count in await session.execute(counted.group_by(GroupMove.client_id)):
            if count > own[client_id]:
                since.clients[client_id].add("undo.moved")


def _former_owners_since(rows: list[ImportRow], present: Present, since: Since) -> None:
    """Note the clients that came with the import and of whom somebody has said since who looked after them."""
    brought: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        brought[row.client_id or 0] |= {fold(name) for name in row.change.get("former_owners", ())}
    for client_id in {row.client_id for row in rows if row.client_id and row.change.get("new_client")}:
        if present.owners[client_id].keys() != brought[client_id]:
            since.clients[client_id].add("undo.edited")


async def _among(session: AsyncSession, asked: Select[Any], column: Any, ids: Iterable[int | None]) -> set[int]:
    """Which of `ids` the query finds in `column`."""
    found: set[int] = set()
    for batch in batches(ids):
        found.update(await session.scalars(asked.where(column.in_(batch)).distinct()))
    return found


def batches(ids: Iterable[int | None]) -> Iterator[list[int]]:
    left = iter([each for each in ids if each is not None])
    while batch := list(islice(left, MOST_IDS)):
        yield batch
