"""Whether a row is a new client or one that is known, and what has to be written for it. No database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from crm.base.addresses import AddressKind
from crm.group import Group
from crm.importing.known import Known, KnownOrganisations
from crm.importing.mapping import Columns
from crm.importing.report import ImportReport, Remark, RowChange, TakenRow
from crm.importing.rows import ClientRow, RefusedRow
from crm.importing.writing import Changes
from crm.problems import Problem
from crm.text_rules import fold


@dataclass(frozen=True)
class Settling:
    """Settles the rows of one batch: counts them in `report`, makes them `known`, and gathers the `changes`."""

    columns: Columns
    known: KnownOrganisations
    report: ImportReport
    changes: Changes = field(default_factory=Changes)

    def settle(self, row: ClientRow) -> None:
        """Take, merge or refuse the row."""
        found, other = self.known.find(row)
        list_key = fold(row.list_name)
        if list_key in self.known.closed_lists and (found is None or not found.in_campaign):
            problem = Problem("row.list_closed", {"list": row.list_name})
            self.report.refused.append(RefusedRow(row.line, (problem,), row.raw))
            return
        if other is not None and other is not found:
            self._remark(row, "row.possible_duplicate", name=row.name, other=other.texts["name"])
        change = RowChange(new_organisation=found is None)
        if found is None:
            found = Known(dict(row.texts), row.headcount, dict(row.attributes), row.time_zone, fold(row.name))
            self.changes.organisations.append(found)
        else:
            self._fill_in_organisation(found, row, change)
        self._add_numbers_and_person(found, row, change)
        merged = found.in_campaign
        if merged:
            self.report.merged += 1
            self._fill_in_client(found, row, change)
        else:
            self._take(found, row, change)
        self._add_past(found, row, change)
        self._add_beside(found, row, change)
        self.report.used.append(TakenRow(row.line, merged, found, change))
        self.known.add(found)

    def _take(self, found: Known, row: ClientRow, change: RowChange) -> None:
        change.new_client = True
        self.report.taken += 1
        self.report.by_group[row.group.value] += 1
        found.in_campaign, found.code = True, row.texts["code"]
        found.list_key = self.known.list_key(row.list_name)
        self.report.by_list[self.known.lists[found.list_key][0]] += 1
        found.source_key = self.known.source_key(row.source)
        self.report.by_source[self.known.sources[found.source_key][0] if found.source_key else ""] += 1
        self.changes.clients.append(found)
        if row.group is not Group.NEW:
            self._move(found, row.group, change)

    def _fill_in_organisation(self, found: Known, row: ClientRow, change: RowChange) -> None:
        """Put what the row says where the organisation has nothing; remark on what it says otherwise."""
        for name, given in row.texts.items():
            if given and not found.texts[name]:
                found.texts[name], change.columns[name] = given, ("", given)
            else:
                self._remark_kept(row, name, found.texts[name], given)
        for name, given in row.attributes.items():
            if not found.attributes.get(name):
                change.attributes[name] = (found.attributes.get(name), given)
                found.attributes[name] = given
            else:
                self._remark_kept(row, name, str(found.attributes[name]), given)
        if row.headcount is not None and found.headcount is None:
            found.headcount, change.columns["headcount"] = row.headcount, (None, row.headcount)
        elif row.headcount is not None:
            self._remark_kept(row, "headcount", str(found.headcount), str(row.headcount))
        if row.time_zone and not found.time_zone:
            found.time_zone, change.columns["time_zone"] = row.time_zone, ("", row.time_zone)
        if (change.columns or change.attributes) and found.organisation_id is not None:
            self.changes.filled[found.organisation_id] = found

    def _fill_in_client(self, found: Known, row: ClientRow, change: RowChange) -> None:
        if fold(row.list_name) != found.list_key:
            kept = self.known.lists[found.list_key][0]
            self._remark(row, "row.in_other_list", name=row.name, kept=kept, given=row.list_name)
        if row.source and not found.source_key:
            found.source_key = self.known.source_key(row.source)
            change.client["source"] = ("", found.source_key)
            self.changes.sourced.append(found)
        elif row.source:
            self._remark_kept(row, "source", self.known.sources[found.source_key][0], row.source)
        if row.group is not Group.NEW and found.group is Group.NEW:
            self._move(found, row.group, change)
        elif row.group is not Group.NEW:
            self._remark_kept(row, "group", found.group.value, row.group.value)

    def _move(self, found: Known, to: Group, change: RowChange) -> None:
        change.client["group"] = (found.group.value, to.value)
        self.changes.moves.append((found, found.group, to))
        found.group = to

    def _add_numbers_and_person(self, found: Known, row: ClientRow, change: RowChange) -> None:
        for phone in row.phones:
            if (phone.e164, phone.extension) not in found.numbers:
                change.numbers.append((phone.e164, phone.extension))
                self.changes.numbers.append((found, phone, len(found.numbers)))
                found.numbers.add((phone.e164, phone.extension))
        if row.person and fold(row.person) not in found.people:
            found.people.add(fold(row.person))
            change.people.append(row.person)
            self.changes.people.append((found, row.person, row.position))

    def _add_past(self, found: Known, row: ClientRow, change: RowChange) -> None:
        """What the customer's own base tells: a deal that is not known yet, and who looked after the client."""
        if row.deal is not None:
            deal = (row.deal.made_on.isoformat(), row.deal.amount_minor, row.deal.what)
            if deal not in found.deals:
                found.deals.add(deal)
                change.deals.append(deal)
                self.changes.deals.append((found, row.deal))
        if row.former_owner and fold(row.former_owner) not in found.former_owners:
            found.former_owners.add(fold(row.former_owner))
            change.former_owners.append(row.former_owner)
            self.changes.former_owners.append((found, row.former_owner))

    def _add_beside(self, found: Known, row: ClientRow, change: RowChange) -> None:
        """Addresses, of each kind one (of the further ones any), and from whom they buy."""
        new = row.addresses if not found.addresses else tuple(self._new_addresses(found, row))
        if new:
            found.addresses += new
            change.addresses = new
            self.changes.addresses.append((found, new))
        for name in row.competitors:
            key = self.known.competitor_key(name)
            if key not in found.competitors:
                found.competitors += (key,)
                change.competitors += (name,)
                self.changes.competitors.append((found, key))

    def _new_addresses(self, found: Known, row: ClientRow) -> Iterator[tuple[str, str]]:
        for kind, written in row.addresses:
            there = [text for of, text in found.addresses if of == kind]
            if any(fold(text) == fold(written) for text in there):
                continue
            if there and kind != AddressKind.OTHER:
                self._remark_kept(row, f"address_{kind}", there[0], written)
                continue
            yield kind, written

    def _remark_kept(self, row: ClientRow, field_name: str, kept: str, given: str) -> None:
        if given and given != kept and fold(kept) != fold(given):
            title = self.columns.title(field_name)
            self._remark(row, "row.kept_existing", name=row.name, field=title, kept=kept, given=given)

    def _remark(self, row: ClientRow, code: str, **params: object) -> None:
        self.report.remarks.append(Remark(row.line, Problem(code, params)))
