"""The middle column: the client in front, why now, whom to ask for, what was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import of_clients, read_as_one
from crm.base.phone_numbers import NumberState
from crm.calls.dial_rules import ALLOWED, Verdict, may_dial
from crm.calls.disposition_sets import own_labels
from crm.calls.letters import LetterRow, letters_of
from crm.care.portfolio_history import PassedOn, passed_of_client
from crm.offers.incoming import IncomingRow, incoming_of
from crm.plan.plan_entries import EntryKind
from crm.preparation.campaign_setup import setup_of
from crm.questionnaires.sheets import SheetRow, sheets_of
from crm.reading import sales_book, views
from crm.reading.referral_rows import ReferralRow, referrals_of
from crm.reading.sales_book import MoveRow
from crm.reading.scope import Scope
from crm.wrap_up.contacts import Contact
from dialer.crm_words import explain
from dialer.shown.deal_words import ReasonNames, move_words
from dialer.shown.experts import STATES
from dialer.shown.formats import clock_time, naive_moment, near_moment, phone, short_day, zone_city, zone_named
from dialer.shown.labels import INCOMING, KINDS, LETTERS, disposition_name, result_name
from dialer.shown.portfolio_words import passed_words, what_passed
from dialer.words import Words, mark

MOST_HISTORY = 50
_WHY_NOT = {
    NumberState.DEAD: mark("does not work"),
    NumberState.DO_NOT_CALL: mark("must not be called"),
}


@dataclass(frozen=True, slots=True)
class CardPhone:
    """A number as it is shown. `first`: the one that is dialled unless another is chosen; `why` it must not be dialled
    now, "" if it may be; `dead` to us: no waiting changes that, so it cannot be chosen, others by their `digit`."""

    id: int
    shown: str
    extension: str
    dead: bool
    first: bool
    digit: str
    why: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Something that happened with the client: when, what, through whom, what was said, and where more of it stands."""

    when: str
    what: str
    who: str
    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What the operator reads before calling. `for_whom`: the customer and the product, as far as the campaign's set-up
    says. `refusal`: why this client must not be called now, "" if it may be."""

    client_id: int
    campaign_id: int
    campaign: str
    for_whom: str
    name: str
    group: str
    why: str
    due_at: datetime | None
    place: str
    zone_name: str
    other_zone: bool
    facts: tuple[str, ...]
    refusal: str
    note: str
    phones: tuple[CardPhone, ...]
    people: tuple[views.PersonRow, ...]
    history: tuple[HistoryLine, ...]


async def stored_card(session: AsyncSession, client_id: int) -> views.Card:
    """What a card is made of, with the whole history that it shows. Raises `NotFound`."""
    return await views.card(session, client_id=client_id, calls=MOST_HISTORY)


async def read_card(
    session: AsyncSession,
    words: Words,
    zone: tzinfo,
    *,
    client_id: int,
    operator_id: int,
    now: datetime,
    attempt_id: str | None,
    found: views.Card | None = None,
    scope: Scope | None = None,
) -> Card:
    """The card of a client. `attempt_id`: the call at the desk; it is no history yet, and whether the client may be
    dialled is then no question. `found`: what `stored_card` has read already; `scope`: whose calls may be
    opened from the history. Raises `NotFound`."""
    found = found or await stored_card(session, client_id)
    promise = found.promise if found.why_now is EntryKind.CALLBACK else None
    verdicts = {} if attempt_id else await _verdicts(session, found, operator_id, now)
    setup = await setup_of(session, found.campaign_id)
    return Card(
        client_id=found.client_id,
        campaign_id=found.campaign_id,
        campaign=found.campaign,
        for_whom=" · ".join(part for part in (setup.customer, setup.product) if part),
        name=found.organisation,
        group=found.group.value,
        why=_why(words, zone, found, now),
        due_at=promise.due_at if promise is not None else None,
        place=found.city or zone_city(words, found.time_zone),
        zone_name=found.time_zone,
        other_zone=clock_time(now, zone_named(found.time_zone, "UTC")) != clock_time(now, zone),
        facts=_facts(words, found),
        refusal="" if attempt_id else _refusal(words, zone, verdicts[None], now),
        note=found.note,
        phones=_phones(words, zone, found, verdicts, now),
        people=found.people,
        history=await _history(session, words, zone, found, attempt_id, scope),
    )


async def _verdicts(
    session: AsyncSession, found: views.Card, operator_id: int, now: datetime
) -> dict[int | None, Verdict]:
    """What the function that decides says of the client (`None`), and of each number where that may be dialled."""
    ids: list[int | None] = [number.id for number in found.numbers]
    verdicts: dict[int | None, Verdict] = {}
    for number_id in [None, *ids]:
        verdicts[number_id] = await may_dial(
            session, client_id=found.client_id, phone_number_id=number_id, operator_id=operator_id, now=now
        )
        if not verdicts[None].allowed:
            break  # one reason for all of them, or each has its own for ever
    return verdicts


def _refusal(words: Words, zone: tzinfo, verdict: Verdict, now: datetime) -> str:
    """Why it must not be dialled now; "" if it may be."""
    if verdict.allowed:
        return ""
    reason = explain(words, verdict.code, verdict.params)
    if verdict.next_at is None:
        return reason
    again = words.gettext("It may be called from {time}.", time=near_moment(words, verdict.next_at, zone, now))
    return f"{reason} {again}"


def _why(words: Words, zone: tzinfo, found: views.Card, now: datetime) -> str:
    if found.why_now is None:
        return ""
    if found.why_now is not EntryKind.CALLBACK or found.promise is None:
        return words.gettext(KINDS[found.why_now.value])
    at = near_moment(words, found.promise.due_at, zone, now)
    text = words.gettext("Promised to call at {time}", time=at)
    return f"{text} · {found.promise.asked_by}" if found.promise.asked_by else text


def _facts(words: Words, found: views.Card) -> tuple[str, ...]:
    people = words.ngettext("{n} employee", "{n} employees", found.headcount) if found.headcount else ""
    return tuple(fact for fact in (found.industry, people, found.site, found.email) if fact)


def _phones(
    words: Words, zone: tzinfo, found: views.Card, verdicts: Mapping[int | None, Verdict], now: datetime
) -> tuple[CardPhone, ...]:
    """`verdicts` are empty in a call."""
    first = verdicts[None].phone_number_id if verdicts else None
    digits = iter("123456789")
    phones = []
    for number in found.numbers:
        verdict = verdicts.get(number.id, ALLOWED)
        dead = number.state is not NumberState.OK or (not verdict.allowed and verdict.next_at is None)
        why = _WHY_NOT.get(number.state)
        phones.append(
            CardPhone(
                id=number.id,
                shown=phone(number.e164),
                extension=number.extension,
                dead=dead,
                first=number.id == first,
                digit="" if dead else next(digits, ""),
                why=words.gettext(why) if why else _refusal(words, zone, verdict, now),
            )
        )
    return tuple(phones)


async def _history(
    session: AsyncSession, words: Words, zone: tzinfo, found: views.Card, attempt_id: str | None,
    scope: Scope | None,
) -> tuple[HistoryLine, ...]:  # fmt: skip
    """Calls, letters and what came back to them, moves of deals, sheets, handings-over to experts and portfolios that
    passed on, then imported contacts, the newest first; what happened before the system may have no date."""
    names = await own_labels(session, words.language)
    calls = [row for row in found.last_calls if row.attempt_id != attempt_id]
    opened = await scope.attempts_among(session, [row.attempt_id for row in calls]) if scope else frozenset[str]()
    dated = [(row.opened_at, _call_line(words, zone, row, names, address=_call_address(row, opened))) for row in calls]
    letters = [each for each in await letters_of(session, found.client_id) if each.withdrawn_at is None]
    dated += [(each.sent_at, _letter_line(words, zone, each)) for each in letters[:MOST_HISTORY]]
    dated += [
        (each.mail.came_at, _incoming_line(words, zone, found.client_id, each))
        for each in await incoming_of(session, found.client_id, limit=MOST_HISTORY)
    ]
    moves = await sales_book.moves_of_client(session, found.client_id, limit=MOST_HISTORY)
    if moves:
        reasons = await ReasonNames.read(session, words)
        dated += [(row.at, _move_line(words, zone, reasons, found.campaign_id, row, product)) for row, product in moves]
    sheets = await sheets_of(session, found.client_id, all_states=True)
    dated += [(row.written_at, _sheet_line(words, zone, found.client_id, row)) for row in sheets[:MOST_HISTORY]]
    handed = await referrals_of(session, found.client_id)
    dated += [(row.offered_at, _referral_line(words, zone, row)) for row in handed[:MOST_HISTORY]]
    passed = await passed_of_client(session, found.client_id, limit=MOST_HISTORY)
    dated += [(row.at, _passed_line(words, zone, row)) for row in passed]
    lines = [line for _, line in sorted(dated, key=lambda each: each[0], reverse=True)]
    client_ids = await read_as_one(session, found.client_id)
    imported = await session.scalars(
        select(Contact)
        .where(of_clients(Contact.client_id, client_ids), Contact.imported)
        .order_by(Contact.at.desc(), Contact.id.desc())
        .limit(MOST_HISTORY)
    )
    lines += [
        HistoryLine(
            when=short_day(words, contact.at.astimezone(zone).date()) if contact.at else words.gettext("undated"),
            what=words.gettext("Main contact") if contact.main else words.gettext("Contact"),
            who=contact.full_name,
            text=contact.summary,
        )
        for contact in imported
    ]
    return tuple(lines)


def _move_line(
    words: Words, zone: tzinfo, reasons: ReasonNames, campaign_id: int, row: MoveRow, product: str
) -> HistoryLine:
    what, why = move_words(words, reasons, campaign_id, row)
    about = product or words.gettext("No. {number}", number=row.deal_id)
    return HistoryLine(
        when=short_day(words, row.at.astimezone(zone).date()),
        what=words.gettext("Deal “{product}”: {step}", product=about, step=what),
        who=row.author,
        text=why,
        address=f"/deals/{row.deal_id}",
    )


def _incoming_line(words: Words, zone: tzinfo, client_id: int, row: IncomingRow) -> HistoryLine:
    return HistoryLine(
        when=short_day(words, row.mail.came_at.astimezone(zone).date()),
        what=words.gettext(INCOMING[row.mail.kind.value]),
        who=row.mail.sender,
        text=first_words(row.mail.body or row.mail.subject),
        address=f"/clients/{client_id}/offers#came-{row.mail.id}",
    )


def first_words(text: str, longest: int = 200) -> str:
    """The beginning of a text, in one line, without what it quotes."""
    line = " ".join(" ".join(each for each in text.splitlines() if not each.startswith(">")).split())
    return line if len(line) <= longest else f"{line[:longest].rsplit(' ', 1)[0]} …"


def _sheet_line(words: Words, zone: tzinfo, client_id: int, row: SheetRow) -> HistoryLine:
    return HistoryLine(
        when=short_day(words, row.written_at.astimezone(zone).date()),
        what=words.gettext("Answers to “{name}”, version {number}", name=row.name, number=row.version),
        who=row.author,
        text="" if row.complete else words.gettext("unfinished"),
        address=f"/clients/{client_id}/sheets/{row.questionnaire_id}",
    )


def _referral_line(words: Words, zone: tzinfo, row: ReferralRow) -> HistoryLine:
    what = words.gettext("Handed to {name}", name=row.expert) if row.expert else words.gettext("Waits for any expert")
    return HistoryLine(
        when=short_day(words, row.offered_at.astimezone(zone).date()),
        what=what,
        who=row.caller,
        text=": ".join(text for text in (words.gettext(STATES[row.state]), row.reason) if text),
    )


def _passed_line(words: Words, zone: tzinfo, row: PassedOn) -> HistoryLine:
    return HistoryLine(
        when=short_day(words, row.at.astimezone(zone).date()),
        what=passed_words(words, row),
        who=row.author,
        text=what_passed(words, row),
    )


def _letter_line(words: Words, zone: tzinfo, letter: LetterRow) -> HistoryLine:
    return HistoryLine(
        when=short_day(words, letter.sent_at.astimezone(zone).date()),
        what=words.gettext(LETTERS[letter.channel.value]),
        who=letter.sender,
        text=letter.note,
    )


def _call_address(row: views.CallRow, opened: frozenset[str]) -> str:
    return f"/calls/{row.attempt_id}" if row.attempt_id in opened else ""


def _call_line(
    words: Words, zone: tzinfo, row: views.CallRow, names: Mapping[str, str], *, address: str
) -> HistoryLine:
    if row.disposition is not None:
        what = names.get(row.disposition) or words.gettext(disposition_name(row.disposition))
    else:
        result = words.gettext(result_name(row.result.value)) if row.result is not None else ""
        what = result[:1].upper() + result[1:]
    return HistoryLine(
        when=naive_moment(words, row.opened_at.astimezone(zone)),
        what=f"{what}, {row.full_name}" if row.full_name else what,
        who=row.operator,
        text=" · ".join(text for text in (row.reason, row.summary, row.note) if text),
        address=address,
    )
