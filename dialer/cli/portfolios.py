"""`dialer users portfolio`: everything that somebody has of clients, and giving it to others."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.care import portfolios
from crm.care.portfolios import DealtBy, Item
from crm.errors import NotFound
from crm.office.users import User, user_by_login
from dialer.cli.database import ready_database
from dialer.cli.terminal import Terminal
from dialer.console.office.portfolio_page import BELONGINGS


async def hand_over(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users portfolio`: what there is; with `--to` who would take it; with `--reason` it passes, and is written down
    row by row."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)

    async def carried_out(session: AsyncSession) -> tuple[list[Item], dict[int, User]]:
        of, takers = await _named(session, arguments.login), [await _named(session, each) for each in arguments.to]
        by = DealtBy(arguments.by)
        if arguments.reason:
            items = await portfolios.hand_over(session, of=of, to=takers, by=by, reason=arguments.reason, now=now)
        elif takers:
            items = await portfolios.preview(session, of=of, to=takers, by=by, now=now)
        else:
            items = await portfolios.portfolio_of(session, of.id)
        return items, {each.id: each for each in takers}

    async with ready_database(settings, terminal) as database:
        items, takers = await database.carry_out(carried_out)
    if arguments.reason:
        tell_portfolio(terminal, items, takers)
        return 0
    header = (gettext("client"), gettext("what"), gettext("number"), gettext("goes to"))
    rows = [
        (each.organisation, gettext(BELONGINGS[each.belonging]), str(each.row_id),
         takers[each.to].name if each.to is not None else "-")
        for each in items
    ]  # fmt: skip
    terminal.table([header, *rows])
    return 0


async def _named(session: AsyncSession, login: str) -> User:
    user = await user_by_login(session, login)
    if user is None:
        raise NotFound("user.unknown")
    return user


def tell_portfolio(terminal: Terminal, items: Sequence[Item], takers: Mapping[int, User]) -> None:
    """A line for each person who has something now, and for each kind of it."""
    words = terminal.words
    counts = Counter((each.to, each.belonging) for each in items)
    for (to, belonging), count in counts.items():
        name = takers[to].name if to is not None and to in takers else words.gettext("another expert")
        what = words.gettext(BELONGINGS[belonging])
        terminal.say(words.gettext("{name} takes over: {what} {count}", name=name, what=what, count=count))
