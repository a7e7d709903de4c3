"""What went wrong, told to a person: as a page, or as JSON to the operator's page. Never a traceback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

import structlog
from aiohttp import hdrs, web
from sqlalchemy.exc import SQLAlchemyError

from crm.database import was_overtaken
from crm.errors import ERRORS, Conflict, CrmError, NotAllowed, NotFound
from dialer.calls.errors import DeskError
from dialer.console.web.pages import page, see_other, told_before
from dialer.console.web.refused_forms import keep_refused
from dialer.console.web.visitors import ADMINISTRATORS, maybe_visitor, words_of
from dialer.crm_words import explain, in_language
from dialer.reasons import Reason, advice_for, of_database
from dialer.telephony import TelephonyError
from dialer.words import Words, mark

log = structlog.get_logger("dialer.console")


class Trouble(Exception):
    """Something to tell the person: what is wrong, what to do, and the HTTP code for it."""

    def __init__(self, code: int, what: str, remedy: str, **params: object) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy = remedy
        self.params = params

    @classmethod
    def not_for_you(cls) -> Self:
        return cls(
            403,
            mark("This page is not for your role."),
            mark("If you need it, ask the administrator to change your role."),
        )

    @classmethod
    def signed_out(cls) -> Self:
        return cls(401, mark("You are signed out."), mark("Sign in again; what you typed has been kept."))

    @classmethod
    def not_from_this_page(cls) -> Self:
        return cls(
            403,
            mark("This request did not come from a page of this console, so nothing was done."),
            mark("Reload the page and try again."),
        )

    @classmethod
    def not_found(cls) -> Self:
        return cls(404, mark("There is nothing at this address."), mark("Go back, or start from the first page."))

    @classmethod
    def unreadable(cls) -> Self:
        return cls(400, mark("The request could not be read."), mark("Reload the page and try again."))

    @classmethod
    def stale(cls) -> Self:
        return cls(
            409,
            mark("This page was out of date, so nothing was done."),
            mark("It now shows the present state; look and try again."),
        )

    @classmethod
    def database(cls, words: Words, reason: str, role: str | None) -> Self:
        """`reason`: why, as `dialer.reasons.of_database` says it; only one of ours is told, for others name what
        belongs into the log. `role`: the reader's, `None` for somebody unknown, who may be an administrator on the way
        to the sign-in."""
        what = words.gettext("The database cannot be reached just now.")
        if isinstance(reason, Reason):
            what = words.gettext("The database cannot be used just now: {reason}.", reason=in_language(words, reason))
        remedy = mark(
            "A call that is going on goes on. Wait a moment and try again; if it lasts, tell the administrator."
        )
        if role in ADMINISTRATORS:
            remedy = mark("On the service's machine `dialer check` says what is wrong.")
        if role in {*ADMINISTRATORS, None}:
            remedy = advice_for(reason) or remedy
        return cls(503, what, remedy)

    @classmethod
    def overtaken(cls) -> Self:
        return cls(409, ERRORS["database.overtaken"], "")

    @classmethod
    def ours(cls) -> Self:
        return cls(
            500,
            mark("Something went wrong inside the service; it has been written to the log."),
            mark("Try again; if it happens again, tell the administrator the time."),
        )

    @staticmethod
    def wants_json(request: web.Request) -> bool:
        return request.headers.get(hdrs.ACCEPT, "").startswith("application/json")


@web.middleware
async def tell_troubles(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The last stop of everything that handlers raise."""
    try:
        return await handler(request)
    except Trouble as trouble:
        return await _page_again(request, trouble) or answer(request, trouble)
    except (CrmError, DeskError) as refusal:
        told = _refused(request, refusal)
        return await _page_again(request, told) or answer(request, told, refusal.code)
    except TelephonyError as refusal:
        log.warning("telephone trouble", path=request.path, reason=str(refusal))
        return answer(request, Trouble.ours())
    except (SQLAlchemyError, ConnectionError) as error:
        if isinstance(error, ConnectionResetError):
            raise  # the browser went away; there is nobody to tell
        log.error("database trouble", path=request.path, reason=str(error))
        if was_overtaken(error):
            return await _page_again(request, Trouble.overtaken()) or answer(request, Trouble.overtaken())
        known = maybe_visitor(request)
        role = known.role if known is not None else None
        return answer(request, Trouble.database(words_of(request), of_database(error), role))
    except web.HTTPNotFound:
        return answer(request, Trouble.not_found())
    except web.HTTPMethodNotAllowed:
        return answer(request, Trouble(405, *_pair(Trouble.not_found())))
    except (web.HTTPBadRequest, web.HTTPRequestEntityTooLarge, web.HTTPUnsupportedMediaType) as error:
        return answer(request, Trouble(error.status, *_pair(Trouble.unreadable())))
    except web.HTTPException:
        raise
    except Exception:  # the last line of defence: the person gets words, the log gets the traceback
        log.exception("page failed", path=request.path)
        return answer(request, Trouble.ours())


def _pair(trouble: Trouble) -> tuple[str, str]:
    return trouble.what, trouble.remedy


async def _page_again(request: web.Request, trouble: Trouble) -> web.StreamResponse | None:
    """Back to the page whose form was refused, where what is wrong stands beside what was typed; `None` where there is
    no page to go back to."""
    if trouble.code not in _OF_A_FORM or Trouble.wants_json(request):
        return None
    told = " ".join(sentences(words_of(request), trouble)).strip()
    address = await keep_refused(request, told, outdated=trouble.code == _OUTDATED)
    return see_other(address) if address is not None else None


_OUTDATED = 409
_OF_A_FORM = frozenset({400, 404, _OUTDATED, 422})


def _refused(request: web.Request, refusal: CrmError | DeskError) -> Trouble:
    """A rule of the domain said no; its own sentence is the answer."""
    code = 422
    if isinstance(refusal, NotFound):
        code = 404
    elif isinstance(refusal, NotAllowed):
        code = 403
    elif isinstance(refusal, Conflict) or refusal.code in STALE_CODES:
        code = 409
    return Trouble(code, explain(words_of(request), refusal.code, refusal.params), "")


STALE_CODES = frozenset({"desk.other_client", "desk.stale_attempt"})


def answer(request: web.Request, trouble: Trouble, code: str = "") -> web.Response:
    """The trouble as what was asked for: JSON `{"error", "remedy", "code"}` or a page."""
    words = words_of(request)
    what, remedy = sentences(words, trouble)
    if Trouble.wants_json(request):
        return web.json_response({"error": what, "remedy": remedy, "code": code}, status=trouble.code)
    context = {"what": what, "remedy": remedy, "code": trouble.code, **told_before(request)}
    return page(request, "trouble.html", context, code=trouble.code)


def sentences(words: Words, trouble: Trouble) -> tuple[str, str]:
    return (
        words.gettext(trouble.what, **trouble.params),
        words.gettext(trouble.remedy, **trouble.params) if trouble.remedy else "",
    )
