"""The users of the office, for administrators: who may sign in, and who takes over what somebody has promised."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.portfolios import counts_of, leave
from crm.errors import NotFound
from crm.office.users import CALLERS, User, get_user, list_users, set_active
from crm.plan.handovers import hand_over_all, open_promises
from crm.plan.promise_mail import set_mail
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.people import to_choose
from dialer.console.web.visitors import visitor, words_of, zone_of
from dialer.shown.labels import role_name


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user in the list. `promises`: open callbacks that they own; `has`: everything of clients that is theirs."""

    id: int
    login: str
    name: str
    role: str
    headset: str
    active: bool
    promises: int
    has: int
    email: str
    callbacks_by_mail: bool
    version: int


async def users(request: web.Request) -> web.StreamResponse:
    """GET /users"""
    words, today = words_of(request), request.app[DEPS].clock().astimezone(zone_of(request)).date()
    async with request.app[DEPS].database.reading() as session:
        everyone, owned = await list_users(session), await open_promises(session)
        who_call = [user for user in everyone if user.active and user.role in CALLERS]
        having = {user.id: sum((await counts_of(session, user.id)).values()) for user in everyone if user.active}
        takers = await to_choose(session, words, who_call, today)
    rows = [
        UserRow(
            user.id, user.login, user.name, words.gettext(role_name(user.role)), user.headset, user.active,
            owned.get(user.id, 0), having.get(user.id, 0), user.email, user.callbacks_by_mail, user.version,
        )
        for user in everyone
    ]  # fmt: skip
    mail_off = not request.app[DEPS].settings.mail.host
    return await office_page(request, "users.html", {"rows": rows, "takers": takers, "mail_off": mail_off})


async def switch(request: web.Request) -> web.StreamResponse:
    """POST /users/{user_id}/active with `active` "yes" or "no"; switched off, `to` takes everything over that the user
    has."""
    deps, fields, author_id = request.app[DEPS], await request.post(), visitor(request).user_id
    async with deps.database.transaction() as session:
        user = await get_user(session, _id(request))
        if fields.get("active") == "yes":
            await set_active(session, user=user, active=True, now=deps.clock(), author_id=author_id)
        else:
            to = str(fields.get("to", ""))
            taker = await _taker(session, to) if to else None
            reason = words_of(request).gettext("Switched off")
            await leave(session, user=user, to=taker, reason=reason, now=deps.clock(), author_id=author_id)
    return see_other("/users")


async def hand_over(request: web.Request) -> web.StreamResponse:
    """POST /users/{user_id}/hand-over with `to`: the promises of somebody who is away."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        await hand_over_all(
            session, of=await get_user(session, _id(request)), to=await _taker(session, str(fields.get("to", ""))),
            now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other("/users")


async def change_mail(request: web.Request) -> web.StreamResponse:
    """POST /users/{user_id}/mail with `email`, `callbacks` "yes" or nothing, and the `version` that was shown."""
    deps, fields = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        await set_mail(
            session, user=await get_user(session, _id(request)), email=str(fields.get("email", "")),
            callbacks=fields.get("callbacks") == "yes", now=deps.clock(), author_id=visitor(request).user_id,
            version=sent.number(str(fields.get("version", ""))),
        )  # fmt: skip
    return see_other("/users")


async def _taker(session: AsyncSession, to: str) -> User:
    if not (to.isascii() and to.isdecimal() and len(to) <= 9):
        raise NotFound("user.unknown")
    return await get_user(session, int(to))


def _id(request: web.Request) -> int:
    return int(request.match_info["user_id"])
