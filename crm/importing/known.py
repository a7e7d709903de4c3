"""What the base holds of the organisations that a file names, looked up for many rows at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import Address
from crm.base.competitors import Competitor, CompetitorUse
from crm.base.joined import OrganisationMerge, survivors
from crm.base.organisations import Organisation, hold_organisations
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.base.sources import Source
from crm.clientele.clients import Client
from crm.group import Group
from crm.importing.rows import TEXT_FIELDS, ClientRow
from crm.one_at_a_time import Deed, one_at_a_time
from crm.preparation.call_lists import CallList, ListState, hold_lists
from crm.text_rules import fold

Number = tuple[str, str]
"""E.164 and extension."""
Deal = tuple[str, int | None, str]
"""A deal of the past: its day (ISO 8601), hundredths, and what it was."""

_BATCH: Final = 5_000  # both databases allow some 32,000 parameters in a statement


@dataclass(eq=False, slots=True)
class Known:
    """An organisation, and its client in the campaign if `in_campaign`; ids are None until they are written, and
    versions, in which the two were read, 0. `other_names`: folded, of those that were merged into it; `addresses`: kind
    and text; `competitors`: folded names of whom it buys from."""

    texts: dict[str, str]
    headcount: int | None
    attributes: dict[str, Any]
    time_zone: str
    name_folded: str
    organisation_id: int | None = None
    other_names: set[str] = field(default_factory=set)
    numbers: set[Number] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    deals: set[Deal] = field(default_factory=set)
    former_owners: set[str] = field(default_factory=set)
    addresses: tuple[tuple[str, str], ...] = ()
    competitors: tuple[str, ...] = ()
    in_campaign: bool = False
    client_id: int | None = None
    list_key: str = ""
    source_key: str = ""
    code: str = ""
    group: Group = Group.NEW
    organisation_version: int = 0
    client_version: int = 0


class KnownOrganisations:
    """The organisations met so far in one import, by number and by code; lists, sources and competitors by folded name.
    `held`: what is read stays as it is until the transaction ends, for whoever writes what it relies on."""

    def __init__(self, campaign_id: int, *, lists_need_approval: bool, held: bool = False) -> None:
        self.campaign_id = campaign_id
        self.held = held
        self.lists_need_approval = lists_need_approval
        self.closed_lists: set[str] = set()
        self.lists: dict[str, tuple[str, int | None]] = {}
        self.sources: dict[str, tuple[str, int | None]] = {}
        self.competitors: dict[str, tuple[str, int | None]] = {}
        self.made: dict[str, list[int]] = {"lists": [], "sources": [], "competitors": []}
        self._by_id: dict[int, Known] = {}
        self._by_number: dict[Number, list[Known]] = {}
        self._by_code: dict[tuple[str, str], Known] = {}
        self._ids_by_code: dict[tuple[str, str], int] = {}

    async def begin(self, session: AsyncSession) -> None:
        """Read what is small enough to be read whole: lists, sources and competitors."""
        if self.held:  # what is looked up must not come meanwhile, in the whole base
            await one_at_a_time(session, Deed.TAKING_IN_ORGANISATIONS)
            await hold_lists(session, CallList.campaign_id == self.campaign_id)
        mine = select(CallList).where(CallList.campaign_id == self.campaign_id).order_by(CallList.id)
        for call_list in await session.scalars(mine):
            key = fold(call_list.name)
            self.lists.setdefault(key, (call_list.name, call_list.id))
            if self.lists_need_approval and call_list.state in (ListState.SUBMITTED, ListState.APPROVED):
                self.closed_lists.add(key)
        for source_id, name in await session.execute(select(Source.id, Source.name).order_by(Source.id)):
            self.sources.setdefault(fold(name), (name, source_id))
        rivals = select(Competitor.name_folded, Competitor.name, Competitor.id)
        self.competitors = {key: (name, rival_id) for key, name, rival_id in await session.execute(rivals)}

    def list_key(self, name: str) -> str:
        """The key of the list of that name; one that is not known yet will be written with the next changes."""
        key = fold(name)
        self.lists.setdefault(key, (name, None))
        return key

    def source_key(self, name: str) -> str:
        """The key of the source of that name, likewise; "" for none."""
        key = fold(name)
        if key:
            self.sources.setdefault(key, (name, None))
        return key

    def competitor_key(self, name: str) -> str:
        """The key of the competitor of that name, likewise."""
        key = fold(name)
        self.competitors.setdefault(key, (name, None))
        return key

    async def look_up(self, session: AsyncSession, rows: list[ClientRow]) -> None:
        """Read the organisations that have a number or a code of `rows`, and are not known yet."""
        numbers = {phone.e164 for row in rows for phone in row.phones}
        ids = await self._read_codes(session, {row.texts["code"] for row in rows if row.texts["code"]})
        for batch in _batches(numbers):
            ids.update(await session.scalars(select(PhoneNumber.organisation_id).where(PhoneNumber.e164.in_(batch))))
        for batch in _batches(ids):
            standing = await survivors(session, batch)
            ids = (ids - standing.keys()) | set(standing.values())
        for batch in _batches(sorted(ids - self._by_id.keys())):
            await self._read(session, batch)

    def find(self, row: ClientRow) -> tuple[Known | None, Known | None]:
        """The organisation that the row is about, and one of another name that has a number of the row's.

        It is the same organisation if the client's code in the same list is the same, or a number and the name are.
        """
        found: Known | None = None
        other: Known | None = None
        name = fold(row.name)
        for phone in row.phones:
            for known in self._by_number.get((phone.e164, phone.extension), ()):
                if known.name_folded != name and name not in known.other_names:
                    other = other or known
                elif found is None or (known.in_campaign and not found.in_campaign):
                    found = known
        return self._by_code_of(row) or found, other

    def add(self, known: Known) -> None:
        """Make `known` findable by its numbers and its code; again when it has got new ones."""
        for number in known.numbers:
            holders = self._by_number.setdefault(number, [])
            if known not in holders:
                holders.append(known)
        if known.in_campaign and known.code:
            self._by_code.setdefault((known.list_key, known.code), known)
        if known.organisation_id is not None:
            self._by_id[known.organisation_id] = known

    def _by_code_of(self, row: ClientRow) -> Known | None:
        key = fold(row.list_name), row.texts["code"]
        if not key[1]:
            return None
        return self._by_code.get(key) or self._by_id.get(self._ids_by_code.get(key, 0))

    async def _read_codes(self, session: AsyncSession, codes: set[str]) -> set[int]:
        """The organisations of the campaign's clients with one of these codes; of two in one list the first counts."""
        coded = select(CallList.name, Client.code, Client.organisation_id).join(
            CallList, CallList.id == Client.call_list_id
        )
        coded = coded.where(Client.campaign_id == self.campaign_id, Client.code != "").order_by(Client.id)
        ids: set[int] = set()
        for batch in _batches(codes):
            for list_name, code, organisation_id in await session.execute(coded.where(Client.code.in_(batch))):
                ids.add(self._ids_by_code.setdefault((fold(list_name), code), organisation_id))
        return ids

    async def _read(self, session: AsyncSession, ids: list[int]) -> None:
        if self.held:  # always in the same order, so that two imports at once wait for each other and no longer
            await hold_organisations(session, ids)
        met = await self._organisations(session, ids)
        await self._add_belongings(session, met)
        await self._add_past(session, met)
        await _add_beside(session, met)
        for known in met.values():
            self.add(known)

    async def _organisations(self, session: AsyncSession, ids: list[int]) -> dict[int, Known]:
        """Each with its client in the campaign, if it has one there."""
        client = and_(Client.organisation_id == Organisation.id, Client.campaign_id == self.campaign_id)
        columns = (Organisation.__table__, Client.id.label("client_id"), Client.code.label("client_code"))
        found = await session.execute(
            select(
                *columns,
                Client.version.label("client_version"),
                Client.group.label("client_group"),
                CallList.name.label("list_name"),
                Source.name.label("source_name"),
            )
            .select_from(Organisation)
            .outerjoin(Client, client)
            .outerjoin(CallList, CallList.id == Client.call_list_id)
            .outerjoin(Source, Source.id == Client.source_id)
            .where(Organisation.id.in_(ids))
            .order_by(Organisation.id)
        )
        met: dict[int, Known] = {}
        for row in found.mappings():
            known = Known(
                texts={name: row[name] for name in TEXT_FIELDS},
                headcount=row["headcount"],
                attributes=dict(row["attributes"]),
                time_zone=row["time_zone"],
                name_folded=row["name_folded"],
                organisation_id=row["id"],
                organisation_version=row["version"],
            )
            if row["client_id"] is not None:
                known.in_campaign, known.client_id = True, row["client_id"]
                known.list_key, known.source_key = fold(row["list_name"]), fold(row["source_name"] or "")
                known.code, known.group = row["client_code"], Group(row["client_group"])
                known.client_version = row["client_version"]
            met[row["id"]] = known
        return met

    async def _add_belongings(self, session: AsyncSession, met: dict[int, Known]) -> None:
        """Their numbers and people, and the names of those that were merged into them."""
        numbers = select(PhoneNumber.organisation_id, PhoneNumber.e164, PhoneNumber.extension)
        for organisation_id, e164, extension in await session.execute(
            numbers.where(PhoneNumber.organisation_id.in_(met))
        ):
            met[organisation_id].numbers.add((e164, extension))
        people = select(Person.organisation_id, Person.full_name).where(Person.organisation_id.in_(met))
        for organisation_id, full_name in await session.execute(people):
            met[organisation_id].people.add(fold(full_name))
        for survivor_id, name_folded in await session.execute(_merged_names(met)):
            met[survivor_id].other_names.add(name_folded)

    async def _add_past(self, session: AsyncSession, met: dict[int, Known]) -> None:
        """Deals, and who looked after the campaign's clients before."""
        deals = select(PastDeal.organisation_id, PastDeal.made_on, PastDeal.amount_minor, PastDeal.what)
        for organisation_id, made_on, amount, what in await session.execute(
            deals.where(PastDeal.organisation_id.in_(met))
        ):
            met[organisation_id].deals.add((made_on.isoformat(), amount, what))
        owners = select(Client.organisation_id, FormerOwner.name).join(Client, Client.id == FormerOwner.client_id)
        owners = owners.where(Client.organisation_id.in_(met), Client.campaign_id == self.campaign_id)
        for organisation_id, name in await session.execute(owners):
            met[organisation_id].former_owners.add(fold(name))


async def _add_beside(session: AsyncSession, met: dict[int, Known]) -> None:
    """Their addresses, and from whom they buy."""
    addresses = select(Address.organisation_id, Address.kind, Address.written).order_by(Address.id)
    for organisation_id, kind, written in await session.execute(addresses.where(Address.organisation_id.in_(met))):
        met[organisation_id].addresses += ((kind.value, written),)
    rivals = select(CompetitorUse.organisation_id, Competitor.name_folded)
    rivals = rivals.join(Competitor, Competitor.id == CompetitorUse.competitor_id)
    for organisation_id, name in await session.execute(rivals.where(CompetitorUse.organisation_id.in_(met))):
        met[organisation_id].competitors += (name,)


def _merged_names(ids: Collection[int]) -> Select[int, str]:
    names = select(OrganisationMerge.survivor_id, Organisation.name_folded)
    return names.join(Organisation, Organisation.id == OrganisationMerge.duplicate_id).where(
        OrganisationMerge.survivor_id.in_(ids), OrganisationMerge.undone_at.is_(None)
    )


def _batches(values: Iterable[Any]) -> Iterable[list[Any]]:
    left = iter(values)
    while batch := list(islice(left, _BATCH)):
        yield batch
