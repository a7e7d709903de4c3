"""Templates: where they are, what every one of them may use, and the frame of the office's pages."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from crm.calls import dial_rules
from crm.care.personal import ERASED
from crm.day.overdue import overdue_count
from crm.mail import outbox
from crm.offers.offers import to_be_looked_at
from crm.reading.sales_book import any_sells_by_deals
from dialer.console.web.alarms import ROOM, alarms_for
from dialer.console.web.deps import DEPS, STATIC
from dialer.console.web.refused_forms import REFUSED
from dialer.console.web.told import TOLD
from dialer.console.web.visitors import (
    ADMINISTRATORS,
    EXPERTS,
    OFFICE_ROLES,
    STOP_ROLES,
    Visitor,
    maybe_visitor,
    visitor,
    words_of,
)
from dialer.shown.labels import group_name
from dialer.words import Words


def set_up_templates(app: web.Application) -> None:
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("dialer.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_in_readers_words,
    )


@jinja2.pass_context
def _in_readers_words(context: jinja2.runtime.Context, value: object) -> object:
    """What stands in the database where a text was erased is in both languages: shown in the reader's."""
    if isinstance(value, str) and ERASED in value:
        return value.replace(ERASED, context["_"]("Erased"))
    return value


def fragment(
    request: web.Request, template: str, context: Mapping[str, object], *, words: Words | None = None
) -> Markup:
    """A page or a part of one. Its own autoescaping has made it safe."""
    spoken = words or words_of(request)
    full = {
        "_": spoken.gettext,
        "ngettext": spoken.ngettext,
        "language": spoken.language,
        "visitor": maybe_visitor(request),
        "static": request.app[STATIC].address,
        "here": request.path,
        "group_name": lambda key: spoken.gettext(group_name(key)),
        **context,
    }
    return Markup(aiohttp_jinja2.get_env(request.app).get_template(template).render(full).strip())


def page(
    request: web.Request,
    template: str,
    context: Mapping[str, object],
    *,
    code: int = 200,
    words: Words | None = None,
) -> web.Response:
    """A whole page. Never compressed: it holds the session's token beside text that others wrote (BREACH)."""
    text = fragment(request, template, context, words=words)
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=code)


async def office_page(request: web.Request, template: str, context: Mapping[str, object]) -> web.Response:
    """A page for the office roles, with its bar."""
    deps, known, words = request.app[DEPS], visitor(request), words_of(request)
    async with deps.database.reading() as session:
        stopped = await dial_rules.dialling_stopped(session)
        # Whoever answers for the result sees on every page that a promise was not kept in time.
        overdue = await overdue_count(session, now=deps.clock()) if known.role in STOP_ROLES else 0
        sells = await any_sells_by_deals(session)
        given_up = (await outbox.counts(session)).failed if known.role in STOP_ROLES else 0
        in_doubt = await to_be_looked_at(session) if known.role in STOP_ROLES else 0
    frame = {
        "pages": pages_of(known, words, mail=bool(deps.settings.mail.host), deals=sells),
        "mail_given_up": given_up,
        "offers_in_doubt": in_doubt,
        "may_stop": known.role in STOP_ROLES,
        "dialling_stopped": stopped,
        "alarms": await alarms_for(known.role, deps, request.app[ROOM], words),
        "overdue_in_all": overdue,
        **told_before(request),
    }
    return page(request, template, {**frame, **context})


def told_before(request: web.Request) -> dict[str, object]:
    """What the last form of this visitor has led to here: `just_done`, a word for it; or `refused_form`, and
    `refused_typed` for the script that fills in what was typed."""
    word, form, words = request.app[TOLD].take(request), request.app[REFUSED].take(request), words_of(request)
    told: dict[str, object] = {"just_done": words.gettext(word) if word else "", "refused_form": form}
    if form is None:
        return told
    now = words.gettext("now: {value}", value="{value}") if form.outdated else ""
    return {**told, "refused_typed": embedded({"action": form.action, "typed": form.typed, "now": now})}


def embedded(content: object) -> Markup:
    """Content for a script, as JSON that cannot end the element around it."""
    return Markup(json.dumps(content, ensure_ascii=False).replace("<", "\\u003c"))


def pages_of(known: Visitor, words: Words, *, mail: bool = False, deals: bool = False) -> list[tuple[str, str]]:
    """The pages in the bar, for this role; that of the mail where there is a mail server, the sales book where a
    campaign sells by deals."""
    book = [("/deals", words.gettext("Sales book"))] if deals else []
    if known.role in OFFICE_ROLES:
        return [
            ("/calls", words.gettext("Calls")),
            ("/plan", words.gettext("Today's plan")),
            ("/clients", words.gettext("Clients")),
            *book,
            ("/campaigns", words.gettext("Campaigns")),
            ("/imports", words.gettext("Imports")),
            ("/reports", words.gettext("Reports")),
            *([("/mail", words.gettext("Mail"))] if mail else []),
            *(
                [("/users", words.gettext("Users")), ("/backups", words.gettext("Backups"))]
                if known.role in ADMINISTRATORS
                else []
            ),
        ]
    return [
        ("/operator", words.gettext("My calls")),
        *([("/referrals", words.gettext("Handed to me"))] if known.role in EXPERTS else []),
        ("/calls", words.gettext("Calls")),
        ("/clients", words.gettext("Clients")),
        *book,
    ]


def see_other(address: str) -> web.Response:
    """After a POST: go and look there."""
    return web.Response(status=303, headers={"Location": address})
