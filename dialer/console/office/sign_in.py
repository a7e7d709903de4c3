"""Signing in and out, the language, and where each role begins."""

from __future__ import annotations

import math
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from crm.office import users, web_sessions
from dialer.console.web.deps import DEPS, FAILURES, METRICS
from dialer.console.web.pages import page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import (
    DESK_ROLES,
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    SIGN_IN_COOKIE,
    address_of,
    language_of,
    maybe_visitor,
    set_cookie,
    sign_in_secret,
    visitor,
    words_of,
)
from dialer.words import LANGUAGES, Language, as_language, words

log = structlog.get_logger("dialer.console")

YEAR_S = 365 * 24 * 3600
LONGEST_LOGIN = 100
LONGEST_PASSWORD = 500  # argon2 hashes what it is given; a megabyte of it would only keep a core busy


async def first_page(request: web.Request) -> web.StreamResponse:
    """GET /: the page of the role."""
    return see_other("/operator" if visitor(request).role in DESK_ROLES else "/calls")


async def form(request: web.Request) -> web.StreamResponse:
    """GET /sign-in, with `?language=` to change it and `?next=` for the page to come back to."""
    asked = request.query.get("language")
    if maybe_visitor(request) is not None and asked is None:
        return see_other("/")
    language = as_language(asked or "", default=language_of(request))
    response = _render(request, language=language, back=_inside(request.query.get("next", "")))
    if asked in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, language, max_age_s=YEAR_S)
    return response


async def sign_in(request: web.Request) -> web.StreamResponse:
    """POST /sign-in."""
    deps, failures, metrics = request.app[DEPS], request.app[FAILURES], request.app[METRICS]
    fields = await request.post()
    # Cut before it is folded: a cut that left spaces at the end would be a name that nobody has failed with yet.
    login = users.fold_login(str(fields.get("login", "")).strip()[:LONGEST_LOGIN])
    password = str(fields.get("password", ""))
    back, now, address = _inside(str(fields.get("next", ""))), deps.clock(), address_of(request)
    wait = failures.wait(login=login, address=address, now=now)
    if wait > timedelta(0):
        metrics.sign_in_failures.labels(why="too many").inc()
        minutes = math.ceil(wait.total_seconds() / 60)
        text = words_of(request).ngettext(
            "Too many wrong passwords. Try again in {n} minute, or ask the administrator.",
            "Too many wrong passwords. Try again in {n} minutes, or ask the administrator.",
            minutes,
        )
        return _render(request, trouble=text, login=login, back=back, code=429)
    # Counted before the slow check, so that guesses sent all at once are counted too.
    failures.failed(login=login, address=address, now=now)
    found = None
    if len(password) <= LONGEST_PASSWORD:
        found = await users.sign_in(deps.database, login=login, password=password, now=now)
    if found is None:
        metrics.sign_in_failures.labels(why="wrong").inc()
        log.warning("sign-in refused", address=address)
        text = words_of(request).gettext("Login or password is wrong. Check the keyboard layout and Caps Lock.")
        return _render(request, trouble=text, login=login, back=back, code=401)
    failures.succeeded(login=login, address=address)
    lifetime = timedelta(hours=deps.console.session_hours)
    async with deps.database.transaction() as session:
        token = await web_sessions.start_session(session, user_id=found.id, now=now, lifetime=lifetime)
    response = see_other(back or "/")
    set_cookie(request, response, SESSION_COOKIE, token, max_age_s=int(lifetime.total_seconds()))
    response.del_cookie(SIGN_IN_COOKIE, path="/")
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """POST /sign-out."""
    deps = request.app[DEPS]
    async with deps.database.transaction() as session:
        await web_sessions.end_session(session, token=request.cookies[SESSION_COOKIE], now=deps.clock())
    response = see_other("/sign-in")
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


async def change_language(request: web.Request) -> web.StreamResponse:
    """POST /language: the user's language, from now on."""
    deps, fields = request.app[DEPS], await request.post()
    language = str(fields.get("language", ""))
    if language not in LANGUAGES:
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        user = await users.get_user(session, visitor(request).user_id)
        user.language = language
    response = see_other(_inside(str(fields.get("back", ""))) or "/")
    set_cookie(request, response, LANGUAGE_COOKIE, language, max_age_s=YEAR_S)
    return response


def _inside(address: str) -> str:
    """`address` if it is a path of this console, else "": a link must not lead away after the sign-in."""
    try:
        parts = urlsplit(address)
    except ValueError:  # no address at all
        return ""
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith(("//", "/\\")):
        return ""
    return address if address.isprintable() and "\\" not in address else ""


def _render(
    request: web.Request,
    *,
    trouble: str = "",
    login: str = "",
    back: str = "",
    language: Language | None = None,
    code: int = 200,
) -> web.Response:
    secret = sign_in_secret(request)
    spoken = words(language or language_of(request))
    context = {"secret": secret, "trouble": trouble, "login": login, "next": back}
    response = page(request, "sign_in.html", context, code=code, words=spoken)
    set_cookie(request, response, SIGN_IN_COOKIE, secret, max_age_s=3600)
    return response
