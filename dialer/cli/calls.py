"""`dialer calls`: calls that were made, what was written down, correcting that; the switch that stops all dialling."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm import audit
from crm.base.past_deals import read_amount
from crm.calls.attempts import get_attempt
from crm.calls.dial_rules import set_dialling_stopped
from crm.calls.disposition_sets import own_labels
from crm.calls.recording_facts import playable_recording
from crm.errors import NotFound
from crm.questionnaires.answers import as_typed
from crm.questionnaires.questionnaires import get_questionnaire
from crm.questionnaires.sheets import answers_now
from crm.reading import views
from crm.wrap_up import outcomes
from crm.wrap_up.contracts import Signed
from crm.wrap_up.correcting import as_it_stands, version_of
from crm.wrap_up.outcomes import Outcome, OutcomeForm
from dialer.cli.database import ready_database
from dialer.cli.terminal import CommandFailed, Terminal
from dialer.cli.users import user_named
from dialer.console.calls.correction import versions
from dialer.shown.formats import minutes, moment, phone
from dialer.shown.labels import disposition_name, result_name
from dialer.sound_files import sound_of
from dialer.words import Words, mark
from recordings.store import LocalStore

_HEADING: Final = (
    *(mark("call"), mark("When"), mark("Who called"), mark("Client"), mark("Number"), mark("Result"), mark("Talk")),
    mark("Outcome"),
)


async def show_all(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calls list`: one line a call, the newest first; days are those of the office."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        filters = views.CallFilters(
            operator_id=(await user_named(session, arguments.user)).id if arguments.user else None,
            client_id=arguments.client,
            since=_midnight(arguments.since, zone) if arguments.since else None,
            until=_midnight(arguments.until + timedelta(days=1), zone) if arguments.until else None,
            text=arguments.text,
        )
        page = await views.calls_page(session, filters=filters, limit=arguments.rows)
        names = await own_labels(session, words.language)
    rows = [tuple(map(words.gettext, _HEADING))]
    rows += [call_row(each, names, zone, words) for each in page.rows]
    terminal.table(rows)
    if page.next_before is not None:
        terminal.say(words.gettext("There are more: narrow the list, or ask for more --rows."))
    return 0


def call_row(found: views.CallRow, names: dict[str, str], zone: ZoneInfo, words: Words) -> tuple[str, ...]:
    """A call in a line of a list: its name, when, who, whom, at which number, and what came of it."""
    gettext = words.gettext
    written = found.disposition or ""
    return (
        found.attempt_id,
        moment(words, found.opened_at, zone),
        found.operator,
        found.organisation,
        phone(found.dialled),
        gettext(result_name(found.result.value)) if found.result else gettext("in progress"),
        minutes(found.talk_seconds) or "-",
        names.get(written) or gettext(disposition_name(written)) if written else "-",
    )


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calls show`: the call, and every version of what was written down, the newest first."""
    words, zone = terminal.words, ZoneInfo(settings.service.time_zone)
    async with ready_database(settings, terminal) as database, database.reading() as session:
        found = await views.call(session, attempt_id=arguments.call)
        chain = await versions(session, words, zone, arguments.call)
        names = await own_labels(session, words.language)
    terminal.say("  ".join(call_row(found, names, zone, words)))
    if not chain:
        terminal.say(words.gettext("not written down yet"))
    for each in chain:
        said = words.gettext(
            "Version {number}, {when}, {author}:", number=each.number, when=each.when, author=each.author
        )
        terminal.say(f"{said} {each.disposition} ({each.key})")
        for name, text in each.answers:
            terminal.say(f"  {name}: {text}")
    return 0


async def correct(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calls correct`: only what is named differs from the version that was seen."""

    given = sheets_given(arguments.answer, terminal)

    async def written(session: AsyncSession) -> None:
        author = await user_named(session, arguments.author)
        seen = await version_of(session, arguments.call, arguments.version)
        form = replace(
            await _with_expert(session, seen, arguments), language=terminal.words.language,
            sheets=await _with_known(session, (await get_attempt(session, arguments.call)).client_id, given),
        )  # fmt: skip
        await outcomes.record(
            session, attempt_id=arguments.call, form=form, author_id=author.id, now=datetime.now(UTC), corrects=seen.id
        )  # fmt: skip

    async with ready_database(settings, terminal) as database:
        await database.carry_out(written)
    terminal.say(terminal.words.gettext("Version {number} is written down.", number=arguments.version + 1))
    return 0


def sheets_given(answers: Sequence[str], terminal: Terminal) -> dict[int, dict[str, str]]:
    """`3.buys=yes`: by the number of the questionnaire the answers by key."""
    sheets: dict[int, dict[str, str]] = defaultdict(dict)
    for each in answers:
        name, equals, value = each.partition("=")
        number, dot, key = name.strip().partition(".")
        if not (equals and dot and key and number.isascii() and number.isdigit() and len(number) < 10):
            raise CommandFailed(terminal.words.gettext("“{text}” is no answer, such as 3.q1=yes.", text=each))
        sheets[int(number)][key] = value
    return dict(sheets)


async def _with_known(
    session: AsyncSession, client_id: int, given: Mapping[int, Mapping[str, str]]
) -> dict[int, dict[str, str]]:
    """What is not named stays as the sheet has it."""
    sheets = {}
    for number, typed in given.items():
        await get_questionnaire(session, number)
        before, _ = await answers_now(session, client_id, number)
        sheets[number] = {**{key: as_typed(value) for key, value in before.items()}, **typed}
    return sheets


async def _with_expert(session: AsyncSession, seen: Outcome, arguments: argparse.Namespace) -> OutcomeForm:
    form = _form(await as_it_stands(session, seen), arguments)
    if arguments.expert is None:
        return form
    return replace(form, expert_id=(await user_named(session, arguments.expert)).id if arguments.expert else None)


def _form(form: OutcomeForm, arguments: argparse.Namespace) -> OutcomeForm:
    named = ("disposition", "summary", "reason", "competitor", "asked_by", "note")
    changes: dict[str, Any] = {name: getattr(arguments, name) for name in named if getattr(arguments, name) is not None}
    if arguments.person is not None:
        changes |= {"person_id": None, "person_name": arguments.person, "person_position": arguments.position}
    if arguments.decides:
        changes["person_decides"] = True
    if arguments.when is not None:
        changes |= {"callback_at_local": None, "callback_words": arguments.when}
    if arguments.number_only is not None:
        changes["number_only"] = arguments.number_only == "yes"
    return replace(form, **changes, signed=_signed(form.signed, arguments))


def _signed(was: Signed | None, arguments: argparse.Namespace) -> Signed | None:
    """What is not named stays."""
    signed = was
    if arguments.contract is not None:
        if not arguments.contract.isdecimal() and arguments.contract not in ("", "new"):
            raise NotFound("deal.unknown")
        deal_id = int(arguments.contract) if arguments.contract.isdecimal() else None
        signed = Signed(deal_id) if arguments.contract else None
    if signed is None:
        return None
    if arguments.amount is not None:
        signed = replace(signed, amount=read_amount(arguments.amount))
    return replace(signed, on=arguments.signed or signed.on)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


async def write_sound(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calls sound`: as whoever keeps the recording on the call's page gets it."""
    store = LocalStore(settings.recordings_dir)
    async with ready_database(settings, terminal) as database:
        async with database.reading() as session:
            recording = await playable_recording(session, arguments.call)
        sound = await asyncio.to_thread(sound_of, store, recording, database.office_key)
        with sound, _new_file(arguments.file) as file:
            async with database.transaction() as session:  # before it is written: what cannot be noted is not had
                audit.recording_listened(session, attempt_id=arguments.call, user_id=None, now=datetime.now(UTC))
            await asyncio.to_thread(shutil.copyfileobj, sound, file)
    terminal.say(terminal.words.gettext("{file} holds the recording.", file=arguments.file))
    return 0


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """For its owner's eyes; a file that is there is not written over, and none is left that is not whole."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            yield file
        except BaseException:
            path.unlink()
            raise


async def switch(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`calls stop` and `calls go-on`: the big switch; a service that runs sees it within seconds."""
    stopped = arguments.action == "stop"
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        await set_dialling_stopped(session, stopped=stopped, author_id=None, now=datetime.now(UTC))
    sentence = mark("All dialling is stopped; calls in progress go on.") if stopped else mark("Dialling goes on.")
    terminal.say(terminal.words.gettext(sentence))
    return 0
