"""`dialer clients show`: all that is known of one client, as its page has it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from config.settings import Settings
from crm.base.joined import standing_client
from crm.calls.disposition_sets import own_labels
from crm.care.portfolio_history import PassedOn, passed_of_client
from crm.clientele.groups import MoveRow, move_rows
from crm.questionnaires.sheets import SheetRow, sheets_of
from crm.reading import sales_book, views
from dialer.cli.calls import call_row
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.answer_words import answers_in_words
from dialer.shown.card import MOST_HISTORY, stored_card
from dialer.shown.deal_words import ReasonNames, move_words
from dialer.shown.formats import moment
from dialer.shown.labels import MOVE_CAUSES, group_name
from dialer.shown.letters import ShownLetter, read_letters
from dialer.shown.portfolio_words import passed_words, what_passed
from dialer.shown.promises import ShownPromise, read_promises
from dialer.shown.referrals import ShownReferral, read_referrals
from dialer.shown.wishes import Wish, read_wishes
from dialer.words import Words, mark

_NUMBER_STATES: Final = {
    "ok": mark("works"),
    "dead": mark("does not work"),
    "do_not_call": mark("must not be called"),
}


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`clients show`: of one that was merged, the client that stands for it."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        client_id = await standing_client(session, arguments.number)
        card = await stored_card(session, client_id)
        wishes = await read_wishes(session, words, card)
        moves = await move_rows(session, client_id)
        letters = await read_letters(session, words, zone, client_id=client_id)
        referrals = await read_referrals(session, words, zone, client_id=client_id)
        promises, _moved = await read_promises(session, words, zone, client_id=client_id, now=datetime.now(UTC))
        sheets = await sheets_of(session, client_id)
        passed = await passed_of_client(session, client_id, limit=MOST_HISTORY)
        deal_moves = await sales_book.moves_of_client(session, client_id, limit=MOST_HISTORY)
        reasons = await ReasonNames.read(session, words)
        names = await own_labels(session, words.language)
    for line in _facts(words, card):
        terminal.say(line)
    _part(terminal, mark("Numbers"), _numbers(words, card))
    _part(terminal, mark("People"), _people(words, card))
    _part(terminal, mark("Agreed to be called"), map(_wish, wishes.agreed))
    _part(terminal, mark("asked not to be called"), map(_wish, wishes.asked_off))
    _part(terminal, mark("Callbacks promised"), map(_promise, promises))
    _part(terminal, mark("E-mails and faxes"), map(_letter, letters))
    _part(terminal, mark("Handed to experts"), map(_referral, referrals))
    _part(terminal, mark("Passed on to others"), (_passed(words, zone, each) for each in passed))
    _part(terminal, mark("Answers"), (line for each in sheets for line in _sheet(words, zone, each)))
    _part(terminal, mark("Groups"), (_move(words, zone, each) for each in moves))
    _part(
        terminal, mark("Deals"),
        (_deal_move(words, zone, reasons, card.campaign_id, *each) for each in deal_moves),
    )  # fmt: skip
    _part(terminal, mark("Calls"), ("  ".join(call_row(each, names, zone, words)) for each in card.last_calls))
    return 0


def _part(terminal: Terminal, heading: str, lines: Iterator[str]) -> None:
    """A heading with its lines; nothing where there are none."""
    found = list(lines)
    if found:
        terminal.say(f"{terminal.words.gettext(heading)}:")
    for line in found:
        terminal.say(f"  {line}")


def _deal_move(
    words: Words, zone: ZoneInfo, reasons: ReasonNames, campaign_id: int, move: sales_book.MoveRow, product: str
) -> str:
    step, why = move_words(words, reasons, campaign_id, move)
    parts = (moment(words, move.at, zone), f"{move.deal_id}", product, step, move.author, why)
    return "  ".join(part for part in parts if part)


def _facts(words: Words, card: views.Card) -> Iterator[str]:
    gettext = words.gettext
    yield gettext(
        "“{name}”: client no. {number}, organisation no. {organisation}", name=card.organisation,
        number=card.client_id, organisation=card.organisation_id,
    )  # fmt: skip
    facts = (card.campaign, gettext(group_name(card.group.value)), card.city, card.time_zone, card.industry,
             card.site, card.email, card.source, card.owner)  # fmt: skip
    yield ", ".join(fact for fact in facts if fact)
    if card.off_list_reason:
        yield gettext("off the list: {reason}", reason=card.off_list_reason)
    if card.note:
        yield card.note


def _numbers(words: Words, card: views.Card) -> Iterator[str]:
    for each in card.numbers:
        state = words.gettext(_NUMBER_STATES[each.state.value])
        yield f"{each.id}  {f'{each.e164} {each.extension}'.strip()}  {state}"


def _people(words: Words, card: views.Card) -> Iterator[str]:
    for each in card.people:
        decides = words.gettext("decides") if each.decides else ""
        yield "  ".join(part for part in (str(each.id), each.full_name, each.position, decides) if part)


def _wish(wish: Wish) -> str:
    return f"{wish.id}  {wish.whom}: {wish.evidence}"


def _promise(promise: ShownPromise) -> str:
    asked_by = f" ({promise.asked_by})" if promise.asked_by else ""
    return f"{promise.when}  {promise.standing}  {promise.owner}{asked_by}"


def _letter(letter: ShownLetter) -> str:
    parts = (str(letter.id), letter.when, letter.how, letter.sender, letter.note, letter.withdrawn)
    return "  ".join(part for part in parts if part)


def _referral(referral: ShownReferral) -> str:
    parts = (str(referral.id), referral.when, referral.expert, referral.why, referral.became)
    return "  ".join(part for part in parts if part)


def _passed(words: Words, zone: ZoneInfo, row: PassedOn) -> str:
    parts = (moment(words, row.at, zone), passed_words(words, row), what_passed(words, row), row.author)
    return "  ".join(part for part in parts if part)


def _sheet(words: Words, zone: ZoneInfo, sheet: SheetRow) -> Iterator[str]:
    state = "" if sheet.complete else words.gettext("unfinished")
    parts = (str(sheet.questionnaire_id), sheet.name, moment(words, sheet.written_at, zone), sheet.author, state)
    yield "  ".join(part for part in parts if part)
    for each in answers_in_words(words, sheet.questions, sheet.answers):
        yield f"  {each.question}: {each.answer or '-'}"


def _move(words: Words, zone: ZoneInfo, row: MoveRow) -> str:
    left, entered = (words.gettext(group_name(group.value)) for group in (row.left, row.entered))
    why = words.gettext(MOVE_CAUSES[row.cause.value])
    said = f"{why}: {row.note}" if row.note else why
    return "  ".join(part for part in (moment(words, row.at, zone), f"{left} → {entered}", said, row.author) if part)
