"""What operators choose from after a call, for the whole office or for one campaign: names, keys, questions, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from crm.calls.disposition_sets import REQUIRABLE, dispositions_of, set_disposition, set_dispositions, versions_of_rows
from crm.group import Group
from crm.plan.dispositions import DISPOSITIONS, Ask, Disposition
from crm.preparation.campaigns import get_campaign
from crm.reading.sales_book import any_sells_by_deals
from dialer.console.desk.outcome_form import label_of
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.shown.labels import GROUPS, disposition_name, group_name
from dialer.words import Words, mark

ASKS = {
    Ask.PERSON: mark("who was talked to"),
    Ask.SUMMARY: mark("what was said"),
    Ask.NEXT_CONTACT: mark("the next contact"),
    Ask.COMPETITOR: mark("whose product they use"),
    Ask.REASON: mark("the reason"),
    Ask.WHEN: mark("when to call back"),
    Ask.ASKED_BY: mark("who asked to call back"),
    Ask.QUESTIONNAIRE: mark("the questionnaire"),
    Ask.CONTRACT: mark("a contract with its sum"),
}


@dataclass(frozen=True, slots=True)
class DispositionRow:
    """A disposition in its form. `version` is that of the row that the form changes, 0 where there is none yet."""

    key: str
    label: str
    label_ru: str
    label_en: str
    digit: str
    group: str
    required: frozenset[str]
    acts_like: str
    active: bool
    version: int


async def dispositions(request: web.Request) -> web.StreamResponse:
    """GET /dispositions, GET /campaigns/{campaign_id}/dispositions"""
    words, campaign_id = words_of(request), _campaign_id(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, campaign_id) if campaign_id is not None else None
        found = await dispositions_of(session, campaign_id)
        versions = await versions_of_rows(session, campaign_id)
        sells = campaign.sells_by_deals if campaign is not None else await any_sells_by_deals(session)
    groups = [(key, words.gettext(group_name(key))) for key in GROUPS if key != Group.NEW.value]
    context = {
        "campaign": campaign,
        "here_is": request.path,
        "rows": [_row(words, each, versions.get(each.key, 0)) for each in found.values()],
        "groups": groups,
        "asks": [(ask.value, words.gettext(ASKS[ask])) for ask in REQUIRABLE if sells or ask is not Ask.CONTRACT],
        "usual": [(key, words.gettext(disposition_name(key))) for key in DISPOSITIONS],
        "may_change": visitor(request).role in RULE_ROLES,
    }
    return await office_page(request, "dispositions.html", context)


def _row(words: Words, each: Disposition, version: int) -> DispositionRow:
    return DispositionRow(
        key=each.key,
        label=label_of(words, each),
        label_ru=each.labels[0],
        label_en=each.labels[1],
        digit=each.digit,
        group=each.group.value if each.group else "",
        required=frozenset(ask.value for ask in each.required),
        acts_like=words.gettext(disposition_name(each.like)) if each.like else "",
        active=each.active,
        version=version,
    )


async def change(request: web.Request) -> web.StreamResponse:
    """POST to the same addresses: either the whole form, with the fields of each row after its key and a dot, or the
    fields of one with `key` and `version`; of a new one `like`, too."""
    deps, fields = request.app[DEPS], await request.post()
    text = {name: str(value) for name, value in fields.items()}
    if "key" not in text:
        return await _change_all(request, fields)
    changes, version = _read_row(fields, "")
    if "like" in text:
        like = DISPOSITIONS.get(text["like"])
        changes |= {"like": text["like"], "active": True}
        if like is not None:  # it begins as that one is
            changes |= {"group": like.group, "required": like.required}
    async with deps.database.transaction() as session:
        await set_disposition(
            session, campaign_id=_campaign_id(request), key=text["key"].strip(), version=version,
            now=deps.clock(), author_id=visitor(request).user_id, **changes,
        )  # fmt: skip
    return see_other(request.path)


async def _change_all(request: web.Request, fields: MultiMapping[Any]) -> web.StreamResponse:
    deps = request.app[DEPS]
    keys = [name.removesuffix(".version") for name in fields if name.endswith(".version")]
    rows = {key: _read_row(fields, f"{key}.") for key in keys}
    async with deps.database.transaction() as session:
        await set_dispositions(
            session,
            campaign_id=_campaign_id(request),
            changes={key: changes for key, (changes, _) in rows.items()},
            versions={key: version for key, (_, version) in rows.items()},
            now=deps.clock(),
            author_id=visitor(request).user_id,
        )
    return see_other(request.path)


def _read_row(fields: MultiMapping[Any], before: str) -> tuple[dict[str, Any], int]:
    """The changes and the version in the fields whose names begin with `before`. Raises `Trouble`."""
    group, version = str(fields.get(f"{before}group", "")), str(fields.get(f"{before}version", "0"))
    required = [str(each) for each in fields.getall(f"{before}required", [])]
    if group not in ("", *GROUPS) or not set(required) <= set(REQUIRABLE) or not sent.is_id(version):
        raise Trouble.unreadable()
    changes: dict[str, Any] = {
        "label_ru": str(fields.get(f"{before}label_ru", "")),
        "label_en": str(fields.get(f"{before}label_en", "")),
        "digit": str(fields.get(f"{before}digit", "")).strip(),
        "group": Group(group) if group else None,
        "required": [Ask(each) for each in required],
        "active": fields.get(f"{before}active") == "yes",
    }
    return changes, int(version)


def _campaign_id(request: web.Request) -> int | None:
    known = request.match_info.get("campaign_id")
    return int(known) if known else None
