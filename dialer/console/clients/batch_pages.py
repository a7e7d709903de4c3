"""An offer to all clients of a filter: to whom it would go, how far it has come, stopping it and going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from crm.care import bulk_offers
from crm.care.bulk_offers import BatchPreview, BatchWanted
from crm.care.saved_filters import filters_of
from crm.offers.addressees import Addressee
from crm.offers.batches import BatchRow, batch_of_form, batch_row, batches, clients_of_batch, resume_batch, stop_batch
from crm.offers.sending import prepare
from crm.office.users import User
from dialer.console.clients.client_filters import Chosen
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.shown.batch_words import came_to, goes_on, reason_in_words, steps_in_words
from dialer.shown.formats import moment
from dialer.shown.labels import TEXT_LANGUAGES
from dialer.words import Words

FIRST_ROWS: Final = 20
MOST_ROWS: Final = 500
PER_HOUR: Final = 100
NOT_WITHIN: Final = 30


async def look(request: web.Request) -> web.StreamResponse:
    """GET /clients/offers?offer=&per_hour=&not_within= and the filters: to whom it would go."""
    return await _preview(request, request.query)


async def begin(request: web.Request) -> web.StreamResponse:
    """POST /clients/offers with the same, the `key` of the form and `seen` of the look. What looks otherwise by now is
    shown anew."""
    deps, fields = request.app[DEPS], await request.post()
    filters, wanted = Chosen.of(fields).filters(), _wanted(fields)
    now, author_id, key = deps.clock(), visitor(request).user_id, str(fields.get("key", ""))
    async with deps.database.reading() as session:
        if (known := await batch_of_form(session, key)) is not None:
            return see_other(f"/offer-batches/{known.id}")
        shown = await bulk_offers.preview(session, filters=filters, wanted=wanted, now=now, sender_id=author_id)
    if shown.seen != fields.get("seen"):
        response = await _preview(request, fields, changed=True)
        response.set_status(409)
        return response
    batch = await deps.database.carry_out(
        lambda session: bulk_offers.begin(
            session, shown=shown, filters=filters, wanted=wanted, key=key, now=now, author_id=author_id
        )
    )
    return see_other(f"/offer-batches/{batch.id}")


def _wanted(fields: Mapping[str, Any]) -> BatchWanted:
    offer, per_hour, not_within = (str(fields.get(name, "")) for name in ("offer", "per_hour", "not_within"))
    if not sent.is_id(offer):
        raise Trouble.unreadable()
    return BatchWanted(
        text_id=int(offer),
        per_hour=int(per_hour) if sent.is_id(per_hour) else 0,
        not_within=int(not_within) if sent.is_id(not_within) else 0,
    )


async def _preview(request: web.Request, fields: Mapping[str, Any], *, changed: bool = False) -> web.StreamResponse:
    deps, words, chosen, wanted = request.app[DEPS], words_of(request), Chosen.of(fields), _wanted(fields)
    now, sender_id = deps.clock(), visitor(request).user_id
    async with deps.database.reading() as session:
        shown = await bulk_offers.preview(
            session, filters=chosen.filters(), wanted=wanted, now=now, sender_id=sender_id
        )
        first = next((row.to for row in shown.going if row.to is not None), None)
        sample = None
        if first is not None:
            sample = await prepare(session, first, text_id=wanted.text_id, now=now, sender_id=sender_id)
    context = {
        "name": shown.template.name,
        "written_in": words.gettext(TEXT_LANGUAGES[shown.text.language.value]),
        "wanted": wanted,
        "changed_meanwhile": changed,
        "going": len(shown.going),
        "later": _counted(words, shown.later),
        "left_out": _counted(words, shown.left_out),
        "sample": sample,
        "hours": -(-len(shown.going) // wanted.per_hour),
        "rows": _rows(words, shown.going[:FIRST_ROWS]),
        "left_rows": _rows(words, _left(shown)[:FIRST_ROWS]),
        "hidden": {
            **chosen.query(), "offer": wanted.text_id, "per_hour": wanted.per_hour, "not_within": wanted.not_within,
            "seen": shown.seen, "key": uuid4().hex,
        },
        "back": chosen.address(),
        "off": not deps.settings.mail.host,
    }  # fmt: skip
    return await office_page(request, "offer_to_many.html", context)


def _left(shown: BatchPreview) -> list[Addressee]:
    return [row for row in shown.rows if not row.goes]


def _counted(words: Words, counts: Any) -> list[tuple[str, int]]:
    return [(reason_in_words(words, code), count) for code, count in counts.most_common()]


def _rows(words: Words, rows: Sequence[Addressee]) -> list[dict[str, object]]:
    return [
        {
            "client_id": row.client_id,
            "organisation": row.organisation,
            "address": row.to.address if row.to else "",
            "reason": explain(words, row.code, row.params) if row.code else "",
        }
        for row in rows
    ]


async def all_batches(request: web.Request) -> web.StreamResponse:
    """GET /offer-batches"""
    async with request.app[DEPS].database.reading() as session:
        rows = [_batch(request, row) for row in await batches(session)]
    return await office_page(request, "offer_batches.html", {"rows": rows})


def _batch(request: web.Request, row: BatchRow) -> dict[str, object]:
    words, batch = words_of(request), row.batch
    gone = row.batch.clients - row.waiting - row.steps["left_out"]
    return {
        "id": batch.id,
        "when": moment(words, batch.at, zone_of(request)),
        "who": row.author,
        "template": row.template,
        "clients": batch.clients,
        "going": batch.clients - row.steps["left_out"],
        "written": gone,
        "stands": goes_on(words, row),
    }


async def batch_page(request: web.Request) -> web.StreamResponse:
    """GET /offer-batches/{batch_id}"""
    words, zone = words_of(request), zone_of(request)
    async with request.app[DEPS].database.reading() as session:
        row = await batch_row(session, _id(request))
        rows = await clients_of_batch(session, row.batch.id, limit=MOST_ROWS)
        stopped_by = await session.get(User, row.batch.stopped_by) if row.batch.stopped_by else None
    batch = row.batch
    context = {
        "batch": batch,
        **_batch(request, row),
        "stopped": moment(words, batch.stopped_at, zone) if batch.stopped_at else "",
        "stopped_by": stopped_by.name if stopped_by else "",
        "next": moment(words, batch.next_at, zone),
        "steps": steps_in_words(words, row.steps),
        "rows": [
            {
                "client_id": each.client_id,
                "organisation": each.organisation,
                "state": came_to(words, each),
                "reason": reason_in_words(words, each.reason),
                "not_before": moment(words, each.not_before, zone) if each.not_before else "",
                "offer_id": each.offer_id,
            }
            for each in rows
        ],
        "shows_all": len(rows) == batch.clients,
        "narrowed": f"/clients?{urlencode(Chosen.from_filters(filters_of(batch.narrowing)).query())}",
        "may_stop": _may_stop(request, row),
        "may_resume": batch.stopped_at is not None and visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "offer_batch.html", context)


def _may_stop(request: web.Request, row: BatchRow) -> bool:
    going = row.waiting or row.steps["offer.waiting"]
    return bool(row.batch.stopped_at is None and going and visitor(request).role in RULE_ROLES)


async def settle(request: web.Request) -> web.StreamResponse:
    """POST /offer-batches/{batch_id} with `step`: stop or go_on."""
    deps, step = request.app[DEPS], str((await request.post()).get("step", ""))
    if step not in ("stop", "go_on"):
        raise Trouble.unreadable()
    work = stop_batch if step == "stop" else resume_batch
    await deps.database.carry_out(
        lambda session: work(session, batch_id=_id(request), now=deps.clock(), author_id=visitor(request).user_id)
    )
    return see_other(f"/offer-batches/{_id(request)}")


def _id(request: web.Request) -> int:
    return int(request.match_info["batch_id"])
