"""Who is asking: the signed-in user behind a request, found by the session cookie."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import tzinfo

import structlog
from aiohttp import hdrs, web

from crm.office import web_sessions
from crm.office.users import CALLERS, Role, User
from crm.reading.scope import Scope
from dialer.calls.journal import DATABASE_TROUBLE
from dialer.console.web.deps import DEPS
from dialer.reasons import of_database
from dialer.shown.formats import zone_named
from dialer.words import Language, Words, as_language, is_language, words

log = structlog.get_logger("dialer.console")

SESSION_COOKIE = "dialer_session"
LANGUAGE_COOKIE = "dialer_language"
SIGN_IN_COOKIE = "dialer_sign_in"  # the secret that a sign-in form must repeat; there is no session yet to keep it in


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in user. `csrf` must come with everything that this session posts."""

    user_id: int
    login: str
    name: str
    role: str
    language: Language
    zone_name: str
    csrf: str

    @property
    def works_at_a_desk(self) -> bool:
        return self.role in DESK_ROLES


EXPERTS = frozenset({Role.EXPERT.value})
DESK_ROLES = frozenset(role.value for role in CALLERS)
OFFICE_ROLES = frozenset({"manager", "administrator", "consultant", "auditor"})
CARE_ROLES = frozenset({"manager", "administrator"})  # answer for what is held on people
RULE_ROLES = frozenset({"manager", "administrator", "consultant"})  # set campaigns up
ADMINISTRATORS = frozenset({"administrator"})
STOP_ROLES = frozenset({"manager", "administrator"})
ROLES = DESK_ROLES | OFFICE_ROLES

VISITOR = web.RequestKey("visitor", Visitor)


def visitor(request: web.Request) -> Visitor:
    """The signed-in user; only where the route asks for one."""
    return request[VISITOR]


def scope_of(request: web.Request) -> Scope:
    """What the signed-in user sees."""
    known = visitor(request)
    return Scope(known.user_id, Role(known.role))


def maybe_visitor(request: web.Request) -> Visitor | None:
    return request.get(VISITOR)


def language_of(request: web.Request) -> Language:
    """The user's language; before the sign-in what was chosen on that page, else what the browser asks for (RFC 9110
    section 12.5.4), else the service's."""
    known = maybe_visitor(request)
    default = request.app[DEPS].service.language
    if known is not None:
        return known.language
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return as_language(chosen, default=_wanted_by(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), default))


def words_of(request: web.Request) -> Words:
    return words(language_of(request))


def zone_of(request: web.Request) -> tzinfo:
    """The zone that the reader's clock shows; the office's before the sign-in."""
    known = maybe_visitor(request)
    office = request.app[DEPS].service.time_zone
    return zone_named(known.zone_name if known else "", office)


def is_https(request: web.Request) -> bool:
    """Whether the browser speaks HTTPS, to us or to the proxy in front."""
    settings = request.app[DEPS].console
    if settings.public_url:
        return settings.public_url.startswith("https:")
    if settings.behind_proxy:
        return request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return request.secure


def address_of(request: web.Request) -> str:
    """The browser's address. Behind a proxy the last one of X-Forwarded-For: it is the proxy's own word. The proxy is
    on this machine; whoever comes past it from elsewhere is not believed."""
    peer = request.remote or ""
    if request.app[DEPS].console.behind_proxy and is_loopback(peer):
        # Of several lines the last one, too: the earlier ones are the browser's.
        forwarded = request.headers.getall("X-Forwarded-For", [""])[-1]
        if forwarded:
            return forwarded.rpartition(",")[2].strip()
    return peer


def _wanted_by(accept_language: str, default: Language) -> Language:
    """The first of our languages in the browser's list. Browsers write it in the order of their weights."""
    for wanted in accept_language.split(","):
        tag = wanted.partition(";")[0].strip()[:2].lower()
        if is_language(tag):
            return tag
    return default


def is_from_here(request: web.Request) -> bool:
    """Whether a program of this machine asks: over the loopback, or from the very address that it asks. Behind a proxy
    only the loopback counts, for there everybody comes from the proxy's address."""
    if is_loopback(address_of(request)):
        return True
    if request.app[DEPS].console.behind_proxy or request.transport is None:
        return False
    own = request.transport.get_extra_info("sockname")
    return bool(own) and request.remote == own[0]


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str, *, max_age_s: int) -> None:
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", httponly=True, samesite="Lax", secure=is_https(request)
    )


def sign_in_secret(request: web.Request) -> str:
    """The secret of this browser's sign-in form: the one it has, or a new one."""
    return request.cookies.get(SIGN_IN_COOKIE) or secrets.token_urlsafe(24)


async def recognise(request: web.Request) -> Visitor | None:
    """The user whose session the cookie names; None for no cookie, an ended session or a user no longer active."""
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    deps = request.app[DEPS]
    now = deps.clock()
    async with deps.database.reading() as session:
        found = await web_sessions.session_by_token(session, token=token, now=now)
    if found is None:
        return None
    if now - found.web_session.last_seen_at >= web_sessions.SEEN_EVERY:
        try:
            async with deps.database.transaction() as session:
                await web_sessions.touch_session(session, token=token, now=now)
        except DATABASE_TROUBLE as error:  # what can be read is shown all the same: it may say what the trouble is
            log.warning("visit not noted", reason=of_database(error))
    return _visitor_of(found.user, found.web_session.csrf, deps.service.language)


def _visitor_of(user: User, csrf: str, default: Language) -> Visitor:
    return Visitor(
        user_id=user.id,
        login=user.login,
        name=user.name,
        role=user.role.value,
        language=as_language(user.language, default=default),
        zone_name=user.time_zone,
        csrf=csrf,
    )
