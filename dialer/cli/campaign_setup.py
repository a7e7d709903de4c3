"""`dialer campaigns check|setup|expert|approve|current|next`: how far a campaign has come, and what it is made of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from babel.dates import format_date

from config.settings import Settings
from crm.care.next_campaign import USUAL_GROUPS, start_next
from crm.group import Group
from crm.preparation.approvals import Subject, approve, reopen_changed
from crm.preparation.campaign_setup import (
    change_setup,
    expert_by_login,
    go_on_in_current_mode,
    set_expert,
    set_industries,
)
from crm.preparation.campaigns import campaign_named
from crm.reading.stages import Stage, Task, checklist
from crm.time_zones import local
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.crm_words import explain
from dialer.shown.setup_labels import DOERS, PHASES, STAGES, TASKS, days_in_words

_COLUMNS: Final = (
    *("customer", "product", "segments", "caller_id", "starts_on", "calling_starts_on", "ends_on"),
    "target_organisations",
)
_LINES: Final = ("rubrics", "sources")


async def check(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns check`: both stages as a checklist."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.name)
        found = await checklist(session, campaign=campaign, now=datetime.now(UTC))
    terminal.say(gettext("{name}: {phase}", name=campaign.name, phase=gettext(PHASES[found.phase])))
    for stage in found.stages:
        terminal.say()
        terminal.say(gettext(STAGES[stage.number]))
        for line in _dates(stage, terminal):
            terminal.say(f"  {line}")
        terminal.table([_row(task, terminal) for task in stage.tasks])
    return 0


def _dates(stage: Stage, terminal: Terminal) -> Iterator[str]:
    if stage.first is not None:
        first, last = (format_date(day, "d MMM y", terminal.words.locale) if day else "…" for day in _ends(stage))
        yield f"{first} – {last}"
    yield days_in_words(terminal.words, stage)


def _ends(stage: Stage) -> tuple[Any, Any]:
    return stage.first, stage.last


def _row(task: Task, terminal: Terminal) -> tuple[str, ...]:
    gettext = terminal.words.gettext
    told = explain(terminal.words, task.code, task.params) if task.code else ""
    if task.signature is not None:
        signed = format_date(task.signature.signed_on, "d MMM y", terminal.words.locale)
        told = f"{told} {gettext('Signed: {who}, {day}', who=task.signature.signer, day=signed)}".strip()
    doers = ", ".join(gettext(DOERS[doer]) for doer in task.doers)
    return (f"  [{'x' if task.done else ' '}]", gettext(TASKS[task.key]), doers, told)


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns setup`: only what is named is changed; the approval of what has changed is open again."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    given = {column: getattr(arguments, column) for column in _COLUMNS if getattr(arguments, column) is not None}
    given |= {name: "\n".join(getattr(arguments, name)) for name in _LINES if getattr(arguments, name) is not None}
    own_numbers = settings.trunk.caller_ids if settings.trunk else ()
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        await change_setup(session, campaign=campaign, now=now, own_numbers=own_numbers, **given)
        reopened = await reopen_changed(session, campaign_id=campaign.id, now=now)
    terminal.say(gettext("The set-up of “{name}” has been changed.", name=campaign.name))
    for approval in reopened:
        terminal.say(gettext("To be approved again: {what}", what=gettext(TASKS[approval.subject])))
    return 0


async def change_expert(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns expert`: an expert more, or with `--remove` one less, and which industries are theirs."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        user = await expert_by_login(session, arguments.login)
        await set_expert(
            session, campaign=campaign, user=user, belongs=not arguments.remove, now=datetime.now(UTC)
        )  # fmt: skip
        if arguments.industries is not None and not arguments.remove:
            await set_industries(
                session, campaign=campaign, user=user, industries=arguments.industries.split(";"),
                now=datetime.now(UTC),
            )  # fmt: skip
    said = (
        gettext("{user} is no expert of “{name}”.") if arguments.remove else gettext("{user} is an expert of “{name}”.")
    )
    terminal.say(said.format(user=user.name, name=campaign.name))
    return 0


async def sign(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns approve`: somebody has signed for the customer."""
    gettext, subject = terminal.words.gettext, Subject(arguments.what)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        approval = await approve(
            session, campaign=campaign, subject=subject, signer=arguments.by, now=datetime.now(UTC),
            signed_on=arguments.on, candidate_id=arguments.candidate,
        )  # fmt: skip
    signed = format_date(approval.signed_on, "d MMM y", terminal.words.locale)
    what = gettext(TASKS[subject])
    terminal.say(gettext("{what}: approved by {who}, {day}.", what=what, who=approval.signer, day=signed))
    return 0


async def follow(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns next`: another campaign goes on with the base of this one."""
    gettext, chosen = terminal.words.gettext, [Group(each) for each in arguments.group or USUAL_GROUPS]
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        following, count = await start_next(
            session, campaign=campaign, name=arguments.new_name, groups=chosen, now=datetime.now(UTC),
            list_name=arguments.list or gettext("From “{name}”", name=campaign.name),
        )  # fmt: skip
    terminal.say(gettext("The campaign “{name}” has been added.", name=following.name))
    terminal.say(terminal.words.ngettext("{n} client came along.", "{n} clients came along.", count))
    return 0


async def go_on(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`campaigns current`: the stages are over, the calls go on."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.name)
        since = None if arguments.off else arguments.since or local(now, campaign.time_zone).date()
        await go_on_in_current_mode(session, campaign=campaign, since=since, now=now)
    if since is None:
        terminal.say(gettext("“{name}” is not in current mode.", name=campaign.name))
    else:
        day = format_date(since, "d MMM y", terminal.words.locale)
        terminal.say(gettext("“{name}” is in current mode from {day}.", name=campaign.name, day=day))
    return 0
