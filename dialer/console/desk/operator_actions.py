"""What an operator's page posts: JSON in, `{}` or a trouble in words out. The live connection shows what came of it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from crm.base.past_deals import read_amount
from crm.calls import letters
from crm.calls.learnt import Learnt
from crm.calls.learnt import learn as learn_of
from crm.deals import moving
from crm.deals.deal_stages import OPEN, DealStage
from crm.deals.deals import get_deal
from crm.deals.moving import Step
from crm.errors import NotFound
from crm.wrap_up import outcomes
from dialer.console.desk.outcome_form import read_form, read_when
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import visitor, words_of, zone_of

MOST_DIGITS = 32
LONGEST_REASON = 200


async def ready(request: web.Request) -> web.StreamResponse:
    """POST /operator/ready"""
    await request.app[DEPS].desk.go_ready(visitor(request).user_id)
    return _done()


async def pause(request: web.Request) -> web.StreamResponse:
    """POST /operator/pause"""
    await request.app[DEPS].desk.pause(visitor(request).user_id)
    return _done()


async def offline(request: web.Request) -> web.StreamResponse:
    """POST /operator/offline"""
    await request.app[DEPS].desk.go_offline(visitor(request).user_id)
    return _done()


async def dial(request: web.Request) -> web.StreamResponse:
    """POST /operator/dial `{client_id, phone_number_id?}`; a second click answers with the same attempt. Nothing is
    answered for a client who left: the desk says so itself, beside the next card."""
    content = await _content(request)
    attempt_id = await request.app[DEPS].desk.dial(
        visitor(request).user_id,
        client_id=_whole_number(content, "client_id"),
        phone_number_id=_whole_number(content, "phone_number_id") if content.get("phone_number_id") else None,
    )
    return web.json_response({"attempt_id": attempt_id} if attempt_id else {})


async def hang_up(request: web.Request) -> web.StreamResponse:
    """POST /operator/hang-up `{attempt_id}`: only the call that the page shows."""
    await _assert_same_attempt(request, await _content(request))
    await request.app[DEPS].desk.hang_up(visitor(request).user_id)
    return _done()


async def digits(request: web.Request) -> web.StreamResponse:
    """POST /operator/digits `{attempt_id, digits}`"""
    content = await _content(request)
    tones = str(content.get("digits", ""))
    if not tones or len(tones) > MOST_DIGITS or not set(tones) <= set("0123456789*#ABCD"):
        raise Trouble.unreadable()
    await _assert_same_attempt(request, content)
    await request.app[DEPS].desk.send_digits(visitor(request).user_id, tones)
    return _done()


async def skip(request: web.Request) -> web.StreamResponse:
    """POST /operator/skip `{client_id, reason}`"""
    content = await _content(request)
    await request.app[DEPS].desk.skip(
        visitor(request).user_id,
        client_id=_whole_number(content, "client_id"),
        reason=str(content.get("reason", "")).strip()[:LONGEST_REASON],
    )
    return _done()


async def undo_skip(request: web.Request) -> web.StreamResponse:
    """POST /operator/undo-skip `{entry_id}`: the client that was skipped just now"""
    content = await _content(request)
    await request.app[DEPS].desk.undo_skip(visitor(request).user_id, entry_id=_whole_number(content, "entry_id"))
    return _done()


async def save_outcome(request: web.Request) -> web.StreamResponse:
    """POST /operator/outcome `{attempt_id, fields}`"""
    content = await _content(request)
    form = await read_form(request, _attempt_id(content), _fields(content))
    await request.app[DEPS].desk.save_outcome(visitor(request).user_id, attempt_id=_attempt_id(content), form=form)
    return _done()


async def undo(request: web.Request) -> web.StreamResponse:
    """POST /operator/undo `{attempt_id}`: the outcome that was saved just now"""
    content = await _content(request)
    await request.app[DEPS].desk.undo_outcome(visitor(request).user_id, attempt_id=_attempt_id(content))
    return _done()


async def keep_draft(request: web.Request) -> web.StreamResponse:
    """POST /operator/draft `{attempt_id, fields}`: what is typed, so that a reload finds it again."""
    content = await _content(request)
    await _assert_same_attempt(request, content)
    deps = request.app[DEPS]
    async with deps.database.transaction() as session:
        await outcomes.save_draft(session, attempt_id=_attempt_id(content), fields=_fields(content), now=deps.clock())
    return _done()


async def learn(request: web.Request) -> web.StreamResponse:
    """POST /operator/learn `{client_id, attempt_id?, fields}`: a number or a person that the client has just told."""
    content = await _content(request)
    deps, operator_id, fields = request.app[DEPS], visitor(request).user_id, _fields(content)
    client_id, attempt_id = await _at_the_desk(request, content)
    learnt = Learnt(
        phone=fields.get("phone", "")[:LONGEST_REASON],
        person_name=fields.get("person_name", "")[:LONGEST_REASON],
        position=fields.get("position", "")[:LONGEST_REASON],
        decides=fields.get("decides") == "yes",
        call_next=fields.get("call_next") == "yes",
    )
    async with deps.database.transaction() as session:
        await learn_of(
            session, client_id=client_id, learnt=learnt, now=deps.clock(), author_id=operator_id,
            attempt_id=attempt_id, region=deps.settings.dialing.region,
        )  # fmt: skip
    await deps.desk.look_again(operator_id)
    return _done()


async def note_letter(request: web.Request) -> web.StreamResponse:
    """POST /operator/letter `{client_id, attempt_id?, fields}`: an e-mail or a fax that the operator has just sent."""
    content = await _content(request)
    deps, operator_id, fields = request.app[DEPS], visitor(request).user_id, _fields(content)
    client_id, _ = await _at_the_desk(request, content)
    if fields.get("channel") not in set(letters.Channel):
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        await letters.note_letter(
            session, client_id=client_id, channel=letters.Channel(fields["channel"]), note=fields.get("note", ""),
            now=deps.clock(), sent_by=operator_id, author_id=operator_id,
        )  # fmt: skip
    await deps.desk.look_again(operator_id)
    return _done()


async def move_deal(request: web.Request) -> web.StreamResponse:
    """POST /operator/deal `{client_id, attempt_id?, fields}`: a deal of the client in front goes to another stage;
    `fields` are `deal` (its id and the version that was seen, as "7.2"), `to`, and as far as they are wanted `amount`
    and `contract_on`."""
    content = await _content(request)
    deps, operator_id, fields = request.app[DEPS], visitor(request).user_id, _fields(content)
    client_id, _ = await _at_the_desk(request, content)
    number, _, version = fields.get("deal", "").partition(".")
    signed_on = fields.get("contract_on", "").strip()
    if fields.get("to") not in (*OPEN, DealStage.CONTRACT) or (signed_on and sent.day(signed_on) is None):
        raise Trouble.unreadable()
    step = Step(
        DealStage(fields["to"]), amount=read_amount(fields.get("amount", "")),
        contract_on=sent.day(signed_on) if signed_on else None,
    )  # fmt: skip
    async with deps.database.transaction() as session:
        if (await get_deal(session, sent.number(number))).client_id != client_id:
            raise NotFound("deal.unknown")
        await moving.move_deal(
            session, deal_id=sent.number(number), step=step, version=sent.number(version), now=deps.clock(),
            author_id=operator_id,
        )  # fmt: skip
    await deps.desk.look_again(operator_id)
    return _done()


async def when(request: web.Request) -> web.StreamResponse:
    """GET /operator/when?text=…&attempt_id=…: how a spoken time is understood, `{echo, warning}`: the warning is "" for
    a time within the campaign's hours."""
    text, attempt_id = request.query.get("text", ""), request.query.get("attempt_id", "")
    meant = await read_when(request, attempt_id, text)
    words = words_of(request)
    return web.json_response({"echo": meant.echo(words, zone_of(request)), "warning": meant.warning(words)})


def _done() -> web.Response:
    return web.json_response({})


async def _content(request: web.Request) -> dict[str, Any]:
    try:
        content = await request.json()
        json.dumps(content, ensure_ascii=False).encode()  # lone surrogates are no text
    except (ValueError, RecursionError) as error:
        raise Trouble.unreadable() from error
    if not isinstance(content, dict):
        raise Trouble.unreadable()
    return content


def _whole_number(content: dict[str, Any], name: str) -> int:
    value = content.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Trouble.unreadable()
    return value


def _attempt_id(content: dict[str, Any]) -> str:
    value = content.get("attempt_id")
    if not isinstance(value, str) or not value:
        raise Trouble.stale()
    return value


def _fields(content: dict[str, Any]) -> dict[str, str]:
    fields = content.get("fields")
    if not isinstance(fields, dict):
        raise Trouble.unreadable()
    return {str(name): str(text) for name, text in fields.items()}


async def _at_the_desk(request: web.Request, content: dict[str, Any]) -> tuple[int, str | None]:
    """The client in front and the call with it, `None` before there is one. Raises `Trouble` where the page shows
    another."""
    view = await request.app[DEPS].desk.view(visitor(request).user_id)
    if view.client_id is None or view.client_id != _whole_number(content, "client_id"):
        raise Trouble.stale()
    if content.get("attempt_id") and content["attempt_id"] != view.attempt_id:
        raise Trouble.stale()
    return view.client_id, view.attempt_id


async def _assert_same_attempt(request: web.Request, content: dict[str, Any]) -> None:
    """A tab that slept must not hang up, or write into, a call that it does not show."""
    view = await request.app[DEPS].desk.view(visitor(request).user_id)
    if view.attempt_id != _attempt_id(content):
        raise Trouble.stale()
