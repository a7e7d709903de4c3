"""A campaign's templates of offers: which there are, what they say in each language, and how that looks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.errors import CrmError, NotFound
from crm.offers.fields import FIELDS
from crm.offers.pdf import pdf_of
from crm.offers.rendering import Rendered, preview
from crm.offers.templates import (
    LONGEST_BODY,
    LONGEST_NAME,
    LONGEST_SUBJECT,
    Language,
    OfferTemplate,
    OfferText,
    add_template,
    attachments_of,
    get_template,
    newest_text,
    plain_subject,
    set_retired,
    templates_of,
    whole_body,
    write_text,
)
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import materials_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.uploads import attachment
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.formats import moment
from dialer.shown.labels import TEXT_LANGUAGES


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template in the table. `texts`: language, version and when it was written, in words."""

    id: int
    name: str
    texts: list[str]
    retired: bool


async def templates(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/offers"""
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _campaign_id(request))
        rows = [await _row(request, session, each) for each in await templates_of(session, campaign.id)]
    context = {
        "campaign": campaign,
        "rows": rows,
        "longest_name": LONGEST_NAME,
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "offer_templates.html", context)


async def _row(request: web.Request, session: AsyncSession, template: OfferTemplate) -> TemplateRow:
    words, texts = words_of(request), []
    for language in Language:
        text = await newest_text(session, template.id, language)
        if text is not None:
            written = moment(words, text.made_at, zone_of(request))
            texts.append(f"{words.gettext(TEXT_LANGUAGES[language.value])}: {text.subject} ({written})")
    return TemplateRow(template.id, template.name, texts, template.retired_at is not None)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/offers with `name`."""
    deps, form = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        made = await add_template(
            session, campaign_id=_campaign_id(request), name=str(form.get("name", "")), now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/campaigns/{_campaign_id(request)}/offers/{made.id}")


async def template(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/offers/{template_id}?language=ru|en"""
    return await _template(request, _language(request.query.get("language", "ru")))


@dataclass(frozen=True, slots=True)
class _Typed:
    """What stands on the form."""

    subject: str
    body: str
    attach: tuple[int, ...]


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/offers/{template_id} with `language`, `subject`, `body`, `attach` (numbers of
    materials) and the version `seen`; with `look` it is shown as it would be and not saved. What cannot be is told
    above what was typed; what somebody else has written meanwhile stands below it."""
    deps, form = request.app[DEPS], await request.post()
    language = _language(str(form.get("language", "")))
    attach = tuple(sent.number(str(each)) for each in form.getall("attach", []))
    typed = _Typed(str(form.get("subject", "")), str(form.get("body", "")), attach)
    if not sent.is_id(str(form.get("seen", ""))):
        raise Trouble.unreadable()
    try:
        if form.get("look"):
            plain_subject(typed.subject)
            whole_body(typed.body)
            return await _template(request, language, typed=typed)
        async with deps.database.transaction() as session:
            found = await get_template(session, _id(request), campaign_id=_campaign_id(request))
            await write_text(
                session, template=found, language=language, subject=typed.subject, body=typed.body,
                attach=typed.attach, seen=int(str(form["seen"])), now=deps.clock(),
                author_id=visitor(request).user_id,
            )  # fmt: skip
    except NotFound:
        raise
    except CrmError as refusal:
        return await _template(request, language, typed=typed, refusal=refusal)
    return see_other(f"{_address(request)}?language={language}")


async def _template(
    request: web.Request, language: Language, *, typed: _Typed | None = None, refusal: CrmError | None = None
) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _campaign_id(request))
        found = await get_template(session, _id(request), campaign_id=campaign.id)
        stored = await newest_text(session, found.id, language)
        files = await materials_of(session, campaign.id)
        attached = await attachments_of(session, stored.id) if stored else []
        shown = typed or _stored(stored, [each.id for each in attached])
        looked = None
        if refusal is None and shown.subject and shown.body:
            looked = await _look(request, session, language, shown.subject, shown.body)
    stale = refusal is not None and refusal.code == "offer.changed_meanwhile"
    context = {
        "campaign": campaign,
        "template": found,
        "text_language": language.value,
        "languages": [(each.value, words.gettext(TEXT_LANGUAGES[each.value])) for each in Language],
        "typed": shown,
        "seen": stored.number if stored else 0,
        "saved": stored is not None and typed is None,
        "meanwhile": stored if stale else None,
        "files": [(each.id, each.file_name) for each in files],
        "fields": [f"{{{name}}}" for name in FIELDS],
        "longest_subject": LONGEST_SUBJECT,
        "longest_body": LONGEST_BODY,
        "looked": looked,
        "trouble": explain(words, refusal.code, refusal.params) if refusal is not None else "",
        "may_change": visitor(request).role in RULE_ROLES,
    }
    response = await office_page(request, "offer_template.html", context)
    if refusal is not None:
        response.set_status(409 if stale else 422)
    return response


def _stored(text: OfferText | None, attached: Sequence[int]) -> _Typed:
    return _Typed("", "", ()) if text is None else _Typed(text.subject, text.body, tuple(attached))


async def _look(request: web.Request, session: AsyncSession, language: Language, subject: str, body: str) -> Rendered:
    return await preview(
        session, campaign_id=_campaign_id(request), language=language, subject=subject, body=body,
        now=request.app[DEPS].clock(), sender_id=visitor(request).user_id,
    )  # fmt: skip


async def pdf(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/offers/{template_id}/offer.pdf?language=ru|en"""
    language = _language(request.query.get("language", "ru"))
    async with request.app[DEPS].database.reading() as session:
        found = await get_template(session, _id(request), campaign_id=_campaign_id(request))
        text = await newest_text(session, found.id, language)
        if text is None:
            raise NotFound("offer.template_unknown")
        shown = await _look(request, session, language, text.subject, text.body)
    content = await asyncio.to_thread(pdf_of, shown.subject, shown.body)
    return attachment(content, f"{found.name.replace('/', ' ')}.pdf")


async def retire(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/offers/{template_id}/retire; with `back` it is in use again."""
    deps, form = request.app[DEPS], await request.post()
    async with deps.database.transaction() as session:
        found = await get_template(session, _id(request), campaign_id=_campaign_id(request))
        await set_retired(
            session, template=found, retired=not form.get("back"), now=deps.clock(), author_id=visitor(request).user_id
        )
    return see_other(f"/campaigns/{_campaign_id(request)}/offers")


def _language(text: str) -> Language:
    if text not in set(Language):
        raise Trouble.unreadable()
    return Language(text)


def _address(request: web.Request) -> str:
    return f"/campaigns/{_campaign_id(request)}/offers/{_id(request)}"


def _campaign_id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])


def _id(request: web.Request) -> int:
    return int(request.match_info["template_id"])
