"""`dialer users`: who signs in, and whose headset may register."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from config.settings import Settings
from crm.care import portfolios
from crm.day import standing_in
from crm.errors import NotFound
from crm.office import users
from crm.plan import handovers, promise_mail
from crm.time_zones import local
from dialer.cli.database import ready_database
from dialer.cli.portfolios import tell_portfolio
from dialer.cli.terminal import Terminal, generated_password
from dialer.office_key import make_key
from dialer.words import Words, mark


@asynccontextmanager
async def _transaction(settings: Settings, terminal: Terminal) -> AsyncIterator[AsyncSession]:
    async with ready_database(settings, terminal) as database, database.transaction() as session:
        yield session


async def add(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users add`: a user, and a headset password if they have a headset; passwords made here are printed once."""
    gettext = terminal.words.gettext
    password, generated = terminal.new_password(from_stdin=arguments.password_stdin)
    headset_password = generated_password() if arguments.headset else ""
    make_key(settings)
    async with _transaction(settings, terminal) as session:
        user = await users.add_user(
            session,
            login=arguments.login,
            name=arguments.name,
            role=users.Role(arguments.role),
            password=password,
            now=datetime.now(UTC),
            language=arguments.language or settings.service.language,
            time_zone=settings.service.time_zone,
            headset=arguments.headset,
        )
        if headset_password:
            await users.set_headset_password(session, user=user, password=headset_password, realm=settings.sip.realm)
    terminal.say(gettext("{login} has been added.", login=user.login))
    if generated:
        terminal.say(gettext("Password: {password}", password=password))
    if headset_password:
        _tell_headset(settings, terminal, user.headset, headset_password)
    return 0


async def show(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users list`: one line a user."""
    gettext = terminal.words.gettext
    async with _transaction(settings, terminal) as session:
        everyone = await users.list_users(session)
    header = (gettext("login"), gettext("name"), gettext("role"), gettext("headset"), gettext("may sign in"))
    rows = [header]
    for user in everyone:
        active = gettext("yes") if user.active else gettext("no")
        rows.append((user.login, user.name, user.role.value, user.headset or "-", active))
    terminal.table(rows)
    return 0


async def set_password(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users passwd`: a new password for the sign-in, or with `--headset` for the headset."""
    gettext = terminal.words.gettext
    password, generated = terminal.new_password(from_stdin=arguments.password_stdin)
    make_key(settings)
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        if arguments.headset:
            await users.set_headset_password(session, user=user, password=password, realm=settings.sip.realm)
        else:
            await users.set_password(session, user=user, password=password, now=datetime.now(UTC))
        headset = user.headset
    if arguments.headset:
        _tell_headset(settings, terminal, headset, password if generated else "")
        return 0
    terminal.say(gettext("The password of {login} has been changed.", login=user.login))
    if generated:
        terminal.say(gettext("Password: {password}", password=password))
    return 0


async def set_role(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users role`: what somebody does from now on."""
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        taker = await user_named(session, arguments.hand_over_to) if arguments.hand_over_to else None
        passed = await portfolios.change_role(
            session, user=user, role=users.Role(arguments.role), to=taker,
            reason=terminal.words.gettext("Another role"), now=datetime.now(UTC),
        )  # fmt: skip
    tell_portfolio(terminal, passed, {taker.id: taker} if taker is not None else {})
    terminal.say(terminal.words.gettext("The role of {login} is now {role}.", login=user.login, role=user.role.value))
    return 0


async def set_headset(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users headset`: another headset, with a password made here, or none."""
    gettext = terminal.words.gettext
    password = generated_password() if arguments.headset else ""
    make_key(settings)
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        await users.set_headset(session, user=user, headset=arguments.headset, now=datetime.now(UTC))
        if password:
            await users.set_headset_password(session, user=user, password=password, realm=settings.sip.realm)
    if not password:
        terminal.say(gettext("{login} has no headset any more.", login=user.login))
        return 0
    _tell_headset(settings, terminal, user.headset, password)
    return 0


async def set_mail(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users mail`: an e-mail address, or none, and whether callbacks come to it."""
    gettext = terminal.words.gettext
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        await promise_mail.set_mail(
            session, user=user, email=arguments.address, callbacks=arguments.callbacks, now=datetime.now(UTC)
        )
    if not user.email:
        terminal.say(gettext("{login} has no e-mail address any more.", login=user.login))
        return 0
    sentence = (
        mark("Callbacks of {login} go to {email} as calendar entries.")
        if user.callbacks_by_mail
        else mark("The address of {login} is {email}; callbacks do not go there.")
    )
    terminal.say(gettext(sentence, login=user.login, email=user.email))
    if user.callbacks_by_mail and not settings.mail.host:
        terminal.warn(gettext("No mail server is set up: fill in [mail] in the settings."))
    return 0


async def user_named(session: AsyncSession, login: str) -> users.User:
    """Raises `NotFound`."""
    user = await users.user_by_login(session, login)
    if user is None:
        raise NotFound("user.unknown")
    return user


async def switch(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users off` and `users on`: whether somebody may sign in, and their headset register."""
    gettext = terminal.words.gettext
    active = arguments.action == "on"
    passed, taker = list[portfolios.Item](), None
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        if active:
            await users.set_active(session, user=user, active=True, now=datetime.now(UTC))
        else:
            taker = await user_named(session, arguments.hand_over_to) if arguments.hand_over_to else None
            passed = await portfolios.leave(
                session, user=user, to=taker, reason=gettext("Switched off"), now=datetime.now(UTC)
            )  # fmt: skip
    tell_portfolio(terminal, passed, {taker.id: taker} if taker is not None else {})
    sentence = mark("{login} may sign in again.") if active else mark("{login} can sign in no more.")
    terminal.say(gettext(sentence, login=user.login))
    return 0


async def hand_over(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users hand-over`: the promises of somebody who is away."""
    async with _transaction(settings, terminal) as session:
        of, to = await user_named(session, arguments.login), await user_named(session, arguments.to)
        passed = await handovers.hand_over_all(session, of=of, to=to, now=datetime.now(UTC))
    _tell_passed(terminal, to, passed)
    return 0


def _tell_passed(terminal: Terminal, to: users.User, passed: int) -> None:
    terminal.say(
        terminal.words.ngettext(
            "{n} callback is {login}'s now.", "{n} callbacks are {login}'s now.", passed, login=to.login
        )
    )


async def set_away(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users away`: days away, and who takes over what was promised."""
    gettext, now = terminal.words.gettext, datetime.now(UTC)
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        first = arguments.first or local(now, user.time_zone).date()
        stand_in = arguments.hand_over_to and await user_named(session, arguments.hand_over_to)
        taken = await standing_in.set_away(
            session, user=user, first_day=first, last_day=arguments.until or first, now=now, reason=arguments.reason,
            to=stand_in.id if stand_in else None,
        )  # fmt: skip
        takers = {user_id: await users.get_user(session, user_id) for user_id in taken}
    terminal.say(gettext("{login} is away.", login=user.login))
    for user_id, promises in taken.items():
        name = takers[user_id].name
        terminal.say(gettext("{name} takes over promised calls: {count}", name=name, count=len(promises)))
        if not takers[user_id].headset:
            terminal.say(gettext("{name} has no headset to call with.", name=name))
    return 0


async def set_back(settings: Settings, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """`users back`: at work again, with the promised calls that others took over or without."""
    gettext = terminal.words.gettext
    async with _transaction(settings, terminal) as session:
        user = await user_named(session, arguments.login)
        now = datetime.now(UTC)
        taken_back = await standing_in.set_back(session, user=user, now=now, take_back=arguments.take_back)
        left = await standing_in.with_others(session, user.id, now=now)
    terminal.say(gettext("{login} is at work again.", login=user.login))
    if taken_back:
        terminal.say(gettext("Promised calls given back: {count}", count=len(taken_back)))
    if left:
        terminal.say(gettext("Promised calls that others keep: {count}", count=len(left)))
    return 0


def headset_server(settings: Settings, words: Words) -> str:
    """What headsets have as their server; a port only where it is the same at each start."""
    host, port = settings.sip.advertised_host or settings.sip.host, settings.sip.port
    if port:
        return f"{host}:{port}"
    return words.gettext("{host} (sip.port is 0: the port is another one at each start)", host=host)


def _tell_headset(settings: Settings, terminal: Terminal, headset: str, password: str) -> None:
    """What to type into the headset; its password only where it was made here."""
    gettext = terminal.words.gettext
    server = headset_server(settings, terminal.words)
    terminal.say(gettext("Headset: server {server}, user name {headset}", server=server, headset=headset))
    if password:
        terminal.say(gettext("Headset's password: {password}", password=password))
