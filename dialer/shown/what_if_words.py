"""What trying other rules found, in words and as rows for a page, the terminal or a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import xlsxwriter
from babel.numbers import format_decimal
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.organisations import Organisation
from crm.clientele.clients import Client
from crm.what_if.outcome import Change, DayLine, Difference, Outcome, Promise, Why
from crm.what_if.tallies import Tally
from dialer.crm_words import explain
from dialer.shown.formats import moment, short_day, zone_named
from dialer.words import Words, mark

CHANGES: Final[Mapping[Change, str]] = {
    Change.LOST: mark("would not have been made"),
    Change.MOVED: mark("at another time"),
    Change.GAINED: mark("would have been made as well"),
}
PROMISES: Final[Mapping[Promise, str]] = {
    Promise.NOT_PROMISED: mark("would not have been promised"),
    Promise.PROMISED_LATER: mark("promised at another time"),
    Promise.MAY_BE_PROMISED: mark("may be promised as well"),
    Promise.NOT_MADE: mark("promised, and would not have been made"),
    Promise.MADE_LATER: mark("promised, and made at another time"),
}
_WHY: Final[Mapping[str, str]] = {
    Why.RETRY: mark("The next try comes at another time."),
    Why.NO_RETRY: mark("There is no next try by itself; the day's plan brings the client back."),
    Why.PROMISE: mark("The call that promised it would not have been made then."),
    Why.BEFORE: mark("The call that it followed from would not have been made."),
    Why.NO_ROOM: mark("The day was full of calls that go first."),
    Why.ORDER: mark("The order of the plan brings others first, or this client then."),
}
_COUNTED: Final = (
    ("attempts", mark("Attempts")),
    ("answered", mark("Answered")),
    ("contacts", mark("Contacts")),
    ("mains", mark("Main contacts")),
    ("callbacks", mark("Promised calls")),
)
_AT_ONCE: Final = 500


def number(words: Words, value: float, *, sign: bool = False) -> str:
    """With one decimal, where it is no whole number."""
    shown = format_decimal(abs(value), format="0.#", locale=words.locale)
    if shown == "0":
        return "0"
    return f"−{shown}" if value < 0 else f"+{shown}" if sign else shown


def reason(words: Words, difference: Difference) -> str:
    """Why the call differs, as a sentence."""
    if difference.reason in _WHY:
        return words.gettext(_WHY[difference.reason])
    return explain(words, difference.reason, difference.params)


def what_came(words: Words, tally: Tally) -> str:
    """What came of a call that was made, the most that can be said of it."""
    if tally.mains:
        return words.gettext("main contact")
    if tally.contacts:
        return words.gettext("contact")
    if tally.callbacks:
        return words.gettext("promised call")
    return words.gettext("answered") if tally.answered else words.gettext("nobody reached")


def summary(words: Words, outcome: Outcome) -> list[tuple[str, ...]]:
    """Heading and a row for each thing that is counted: was, stays, expected beside, would be, difference."""
    gettext, total = words.gettext, outcome.total
    rows: list[tuple[str, ...]] = [
        (gettext("In the whole period"), gettext("Was"), gettext("Certain"), gettext("Expected beside"),
         gettext("Would be"), gettext("Difference"))
    ]  # fmt: skip
    for name, label in _COUNTED:
        was, stays, expected, would = (
            getattr(tally, name) for tally in (total.before, total.stays, total.expected, total.after)
        )
        shown = (number(words, each) for each in (was, stays, expected, would))
        rows.append((gettext(label), *shown, number(words, would - was, sign=True)))
    return rows


def reasons(words: Words, outcome: Outcome) -> list[tuple[str, ...]]:
    """Heading and a row for each reason: how many calls would not have been made, or at another time, or as well."""
    gettext = words.gettext
    counts: dict[str, dict[Change, int]] = {}
    said: dict[str, Difference] = {}
    for each in outcome.differences:
        counts.setdefault(each.reason, dict.fromkeys(Change, 0))[each.change] += 1
        said.setdefault(each.reason, each)
    heading: tuple[str, ...] = (gettext("Why"), gettext("Not made"), gettext("Moved"), gettext("Gained"))
    rows: list[tuple[str, ...]] = [
        (_kind_of_reason(words, said[code]), *(str(each[change]) for change in Change))
        for code, each in sorted(counts.items(), key=lambda item: -sum(item[1].values()))
    ]
    return [heading, *rows] if rows else []


_KINDS: Final[Mapping[str, str]] = {
    "dial.cap": mark("The company had had its attempts of the day."),
    "dial.number_cap": mark("The number had had its attempts of the day."),
    "dial.gap": mark("Too soon after an unanswered attempt."),
    "dial.hours": mark("Outside the calling hours."),
    "dial.day_off": mark("A day off."),
}


def _kind_of_reason(words: Words, difference: Difference) -> str:
    """Of all refusals of that kind, without the numbers of one."""
    kind = _KINDS.get(difference.reason)
    return words.gettext(kind) if kind else reason(words, difference)


def days(words: Words, outcome: Outcome) -> list[tuple[str, ...]]:
    """Heading and a row a day: what was and what would be."""
    gettext = words.gettext
    heading = (
        gettext("Day"), gettext("Attempts"), gettext("Contacts"), gettext("Main contacts"), gettext("Promised calls"),
        gettext("Calls left for others"), gettext("Due, with nobody free"),
    )  # fmt: skip
    return [heading, *(_day(words, short_day(words, day), line) for day, line in sorted(outcome.days.items()))]


def _day(words: Words, label: str, line: DayLine) -> tuple[str, ...]:
    def both(name: str) -> str:
        was, would = getattr(line.before, name), getattr(line.after, name)
        shown = number(words, would)
        return shown if abs(was - would) < 0.05 else f"{number(words, was)} → {shown}"

    counted = (both(name) for name in ("attempts", "contacts", "mains", "callbacks"))
    return (label, *counted, number(words, line.free), str(line.turned_away))


HEADINGS: Final = (
    mark("no."), mark("Client"), mark("Call"), mark("Was at"), mark("Would be at"), mark("What came of it"),
    mark("Contacts expected"), mark("Why"), mark("Promised call"), mark("Promised calls expected"),
)  # fmt: skip


def calls(words: Words, outcome: Outcome, names: Mapping[int, str], zone_name: str) -> Iterator[tuple[str, ...]]:
    """Heading and a row for each call that differs, client by client."""
    zone, gettext = zone_named(zone_name, zone_name), words.gettext

    def shown(at: datetime | None) -> str:
        return moment(words, at, zone) if at is not None else ""

    yield tuple(gettext(heading) for heading in HEADINGS)
    for client_id, differences in outcome.by_client():
        for each in differences:
            contacts, promises = (
                "" if each.change is Change.LOST else number(words, count)
                for count in (each.expected.contacts, each.expected.callbacks)
            )
            promised = gettext(PROMISES[each.promise]) if each.promise is not None else ""
            yield (
                str(client_id), names.get(client_id, ""), gettext(CHANGES[each.change]), shown(each.at),
                shown(each.new_at), what_came(words, each.had) if each.at else "", contacts, reason(words, each),
                promised, promises if promised else "",
            )  # fmt: skip


async def client_names(session: AsyncSession, client_ids: Sequence[int]) -> dict[int, str]:
    """The names of the clients' organisations."""
    names: dict[int, str] = {}
    for first in range(0, len(client_ids), _AT_ONCE):
        found = await session.execute(
            select(Client.id, Organisation.name)
            .join(Organisation, Organisation.id == Client.organisation_id)
            .where(Client.id.in_(client_ids[first : first + _AT_ONCE]))
        )
        names.update((client_id, name) for client_id, name in found)
    return names


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """The rows as an XLSX in which nothing that somebody wrote is a formula or a link."""
    file = io.BytesIO()
    harmless = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, {"in_memory": True, **harmless}) as book:
        sheet = book.add_worksheet()
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        for column, width in enumerate((8, 44, 28, 18, 18, 18, 12, 60, 34, 12)):
            sheet.set_column(column, column, width)
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(place, column, text, *([head] if place == 0 else []))
        sheet.freeze_panes(1, 2)
    return file.getvalue()
