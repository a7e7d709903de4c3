"""What every request passes: headers that bind the browser, the user behind the cookie, the role, the proof of origin.

A route that states no access is refused to everybody, so that a forgotten one is closed, not open.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from dialer.console.web.deps import DEPS
from dialer.console.web.pages import see_other
from dialer.console.web.refused_forms import PROVEN
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import (
    ROLES,
    SIGN_IN_COOKIE,
    VISITOR,
    is_from_here,
    is_https,
    maybe_visitor,
    recognise,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EVERYBODY: frozenset[str] = frozenset({"everybody"})  # also without a sign-in
SIGNED_IN = ROLES
SIGNED_OUT = (
    4401  # the code that closes a live connection (4000 to 4999 are an application's own, RFC 6455 section 7.4.2)
)
LOCAL_OR_ADMINISTRATOR: frozenset[str] = frozenset({"local", "administrator"})

ACCESS = web.AppKey("access", Mapping[web.AbstractRoute, frozenset[str]])

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
_CHANGING = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH, hdrs.METH_DELETE})

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


async def bind_browser(request: web.Request, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`: what the browser may do with what we send."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    # Not `no-referrer`: with it the browser posts forms with `Origin: null`, which proves nothing.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("Cache-Control", "no-store")
    if is_https(request):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


@web.middleware
async def know_visitor(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the user, unless the route is open to everybody and needs none."""
    if not _is_readable(request):
        raise Trouble.unreadable()
    if _access(request) != EVERYBODY or request.path == "/sign-in":
        found = await recognise(request)
        if found is not None:
            request[VISITOR] = found
    return await handler(request)


@web.middleware
async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse whoever the route is not for, and whatever was posted from elsewhere."""
    if request.match_info.http_exception is not None:
        return await handler(request)
    access = _access(request)
    if access != EVERYBODY and not _may(request, access):
        if maybe_visitor(request) is None and access != LOCAL_OR_ADMINISTRATOR:
            return await _close_live(request) if _is_live(request) else _to_sign_in(request)
        raise Trouble.not_for_you()
    if request.method in _CHANGING:
        await _check_origin(request)
        request[PROVEN] = True
    elif _is_live(request):
        _same_origin(request)
    return await handler(request)


def _is_readable(request: web.Request) -> bool:
    """Whether the headers that we read are text, and the body is in the encoding that our pages send. Checked once, at
    the door: anywhere later it would be an unforeseen error, with a traceback in the log for every such request."""
    try:
        for name in (hdrs.COOKIE, CSRF_HEADER, hdrs.ORIGIN, hdrs.HOST):
            for value in request.headers.getall(name, ()):
                value.encode()  # bytes that are no UTF-8 came as lone surrogates
    except UnicodeError:
        return False
    return (request.charset or "utf-8").lower() in ("utf-8", "utf8")


def _access(request: web.Request) -> frozenset[str]:
    return request.app[ACCESS].get(request.match_info.route, frozenset())


def _may(request: web.Request, access: frozenset[str]) -> bool:
    if "local" in access and is_from_here(request):
        return True
    known = maybe_visitor(request)
    return known is not None and known.role in access


def _is_live(request: web.Request) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def _close_live(request: web.Request) -> web.StreamResponse:
    """A browser does not tell a page why a connection was refused, but why it was closed."""
    _same_origin(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=SIGNED_OUT)
    return socket


def _to_sign_in(request: web.Request) -> web.StreamResponse:
    """A page leads to the sign-in and back; an action is told."""
    if request.method != hdrs.METH_GET or Trouble.wants_json(request):
        raise Trouble.signed_out()
    back = "" if request.path == "/" else f"?next={quote(request.path_qs)}"
    return see_other(f"/sign-in{back}")


async def _check_origin(request: web.Request) -> None:
    """The token of this session (a cookie travels with anybody's form; the token does not) and the origin."""
    _same_origin(request)
    known = maybe_visitor(request)
    expected = known.csrf if known is not None else request.cookies.get(SIGN_IN_COOKIE, "")
    given = request.headers.get(CSRF_HEADER, "")
    try:
        field = (await request.post()).get(CSRF_FIELD, "")  # nothing is read for content that is no form
    # A multipart body without its boundary or with broken heads, in an unknown encoding, or text that is none.
    except (ValueError, LookupError, RuntimeError, HttpProcessingError) as error:
        raise Trouble.unreadable() from error
    if not given and isinstance(field, str):
        given = field
    if not expected or not secrets.compare_digest(given.encode(), expected.encode()):
        raise Trouble.not_from_this_page()


def _same_origin(request: web.Request) -> None:
    """Browsers send `Origin` with every POST and every WebSocket; what comes without it is no browser's page."""
    settings = request.app[DEPS].console
    scheme = "https" if is_https(request) else "http"
    own = {f"{scheme}://{request.host}", settings.public_url.rstrip("/")} - {""}
    if request.headers.get(hdrs.ORIGIN, "") not in own:
        raise Trouble.not_from_this_page()
