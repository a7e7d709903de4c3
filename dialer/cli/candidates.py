"""`dialer candidates`: who may become an operator of a campaign, and how the training went."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from config.settings import Settings
from crm.preparation.approvals import Subject, reopen_changed, signatures
from crm.preparation.campaign_setup import expert_by_login
from crm.preparation.campaigns import campaign_named
from crm.preparation.candidates import CandidateState, add_candidate, candidates_of, change_candidate, get_candidate
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.shown.setup_labels import CANDIDATE_STATES


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`candidates list`: one line each, with who signed for a trained one."""
    gettext = terminal.words.gettext
    async with ready_database(settings, terminal) as database, database.reading() as session:
        campaign = await campaign_named(session, arguments.campaign)
        found = await candidates_of(session, campaign.id)
        signed = await signatures(session, campaign.id)
    rows = [
        (
            gettext("No."), gettext("name"), gettext("state"), gettext("result"), gettext("approved by"),
            gettext("remarks"),
        )
    ]  # fmt: skip
    for each in found:
        signature = signed.get((Subject.OPERATOR, each.id))
        rows.append(
            (
                str(each.id), each.name, gettext(CANDIDATE_STATES[each.state]),
                "-" if each.score is None else str(each.score),
                signature.signer if signature is not None and signature.holds else "-", each.remarks,
            )
        )  # fmt: skip
    terminal.table(rows)
    return 0


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`candidates add`: somebody who was invited."""
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        made = await add_candidate(session, campaign=campaign, name=arguments.name, now=datetime.now(UTC))
    terminal.say(terminal.words.gettext("Candidate {number}: {name}", number=made.id, name=made.name))
    return 0


async def change(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`candidates set`: only what is named; a trained one whose result is another must be approved again."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    changes: dict[str, Any] = {
        name: value
        for name, value in (("score", arguments.score), ("remarks", arguments.remarks))
        if value is not None
    }  # fmt: skip
    if arguments.state is not None:
        changes["state"] = CandidateState(arguments.state)
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        campaign = await campaign_named(session, arguments.campaign)
        candidate = await get_candidate(session, campaign_id=campaign.id, candidate_id=arguments.number, lock=True)
        if arguments.user is not None:
            changes["user_id"] = (await expert_by_login(session, arguments.user)).id if arguments.user else None
        await change_candidate(session, candidate=candidate, now=now, **changes)
        await reopen_changed(session, campaign_id=campaign.id, now=now)
    state = gettext(CANDIDATE_STATES[candidate.state])
    terminal.say(gettext("{name} is now: {state}.", name=candidate.name, state=state))
    return 0
