"""When clients whom nobody reached are tried again: the rules of a campaign, a line for each result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from crm.calls.disposition_sets import dispositions_of
from crm.calls.retry_rules import Key, Rule, rules_of, set_rules
from crm.errors import Conflict, CrmError, NotFound
from crm.plan.dispositions import Disposition
from crm.preparation.campaigns import Campaign, change_campaign, get_campaign
from crm.preparation.results import Result
from dialer.console.desk.outcome_form import label_of
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.crm_words import explain
from dialer.shown.labels import result_name
from dialer.words import Words

LONGEST_NUMBER: Final = 6


class Unreadable(Exception):
    """This is no number."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in the form. `name` is the end of its fields' names; `own`: for one disposition, may be forgotten;
    `stored`: what it is meanwhile, where somebody else has changed it."""

    name: str
    result: str
    disposition: str
    after: str
    other_part: bool
    own: bool
    stored: str = ""


async def retry_page(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/retries"""
    return await _page(request)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/retries: `after.RESULT.DISPOSITION` in minutes, "" for "not by itself";
    `other.RESULT.DISPOSITION` and `forget.RESULT.DISPOSITION` "yes"; `new_result`, `new_disposition` and `new_after`
    for one more; `tries`; and `seen`, what the page was made of. What somebody else has changed meanwhile is told."""
    deps, known = request.app[DEPS], visitor(request)
    typed = {name: str(value) for name, value in (await request.post()).items()}
    try:
        tries = read_number(typed.get("tries", ""))
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, _id(request), lock=True)
            stored = await rules_of(session, campaign.id)
            if typed.get("seen", "") != fingerprint(campaign, stored):
                raise Conflict("campaign.changed_meanwhile")
            rules = read_rules(typed, stored)
            await set_rules(session, campaign=campaign, rules=rules, now=deps.clock(), author_id=known.user_id)
            await change_campaign(
                session, campaign=campaign, now=deps.clock(), author_id=known.user_id, tries_to_no_contact=tries
            )
    except NotFound:
        raise
    except (Unreadable, CrmError) as refusal:
        return await _page(request, typed=typed, refusal=refusal)
    return see_other(f"/campaigns/{_id(request)}/retries")


async def _page(
    request: web.Request, *, typed: Mapping[str, str] | None = None, refusal: Unreadable | CrmError | None = None
) -> web.StreamResponse:
    words = words_of(request)
    async with request.app[DEPS].database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        stored = await rules_of(session, campaign.id)
        known = await dispositions_of(session, campaign.id)
    beside = typed if isinstance(refusal, Conflict) else None
    context = {
        "campaign": campaign,
        "tries": typed.get("tries", "") if typed is not None else campaign.tries_to_no_contact,
        "seen": fingerprint(campaign, stored),
        "trouble": told(words, refusal),
        "may_change": visitor(request).role in RULE_ROLES,
        **rule_table(words, stored, known, typed, beside),
    }
    response = await office_page(request, "retries.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def rule_table(
    words: Words,
    stored: Mapping[Key, Rule],
    known: Mapping[str, Disposition],
    typed: Mapping[str, str] | None,
    beside: Mapping[str, str] | None,
) -> dict[str, object]:
    """For `_retry_rules.html`: the rules, with what was `typed`, `beside` it what is stored where somebody else has
    changed that, and what one more rule may be for."""
    return {
        "rows": [_rule_row(words, key, rule, known, typed, beside) for key, rule in stored.items()],
        "added": {name: (typed or {}).get(name, "") for name in ("new_result", "new_disposition", "new_after")},
        "results": [(result.value, words.gettext(result_name(result))) for result in Result],
        "dispositions": [(key, label_of(words, each)) for key, each in known.items() if each.tried_again],
    }


def _rule_row(
    words: Words,
    key: Key,
    rule: Rule,
    known: Mapping[str, Disposition],
    typed: Mapping[str, str] | None,
    beside: Mapping[str, str] | None,
) -> RuleRow:
    result, disposition = key
    name = name_of(key)
    after, other_part = _shown(rule)
    if typed is not None:
        after, other_part = typed.get(f"after.{name}", after), f"other.{name}" in typed
    return RuleRow(
        name=name,
        result=words.gettext(result_name(result)),
        disposition=label_of(words, known[disposition]) if disposition in known else disposition,
        after=after,
        other_part=other_part,
        own=bool(disposition),
        stored=_in_words(words, rule) if beside is not None and (after, other_part) != _shown(rule) else "",
    )


def _shown(rule: Rule) -> tuple[str, bool]:
    return "" if rule.after_min is None else str(rule.after_min), rule.other_part


def _in_words(words: Words, rule: Rule) -> str:
    after = words.gettext("not by itself") if rule.after_min is None else str(rule.after_min)
    return words.gettext("{minutes}, then another part of the day", minutes=after) if rule.other_part else after


def read_rules(typed: Mapping[str, str], stored: Iterable[Key]) -> dict[Key, Rule | None]:
    """What the form says of each rule that was stored, and the one that it adds. Raises `Unreadable`."""
    return {key: read_rule(typed, name_of(key)) for key in stored} | new_rule(typed)


def read_rule(typed: Mapping[str, str], name: str) -> Rule | None:
    """The rule in the fields whose names end so, `None` where it is to be forgotten. Raises `Unreadable`."""
    if f"forget.{name}" in typed:
        return None
    after = typed.get(f"after.{name}", "").strip()
    return Rule(read_number(after) if after else None, f"other.{name}" in typed)


def new_rule(typed: Mapping[str, str]) -> dict[Key, Rule | None]:
    """The rule that is added, if one is. Raises `Unreadable`."""
    result, disposition = typed.get("new_result", ""), typed.get("new_disposition", "")
    if not result or not disposition:
        return {}
    if result not in {each.value for each in Result}:
        raise Unreadable(result)
    after = typed.get("new_after", "").strip()
    return {(Result(result), disposition): Rule(read_number(after) if after else None)}


def read_number(text: str) -> int:
    """Raises `Unreadable`."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise Unreadable(text)
    return int(text)


def name_of(key: Key) -> str:
    """The end of the names of a rule's fields."""
    return f"{key[0].value}.{key[1]}"


def told(words: Words, refusal: Unreadable | CrmError | None) -> str:
    """What to say of a refusal above the form."""
    if refusal is None:
        return ""
    if isinstance(refusal, Unreadable):
        return words.gettext("“{typed}” is no number.", typed=str(refusal))
    told = explain(words, refusal.code, refusal.params)
    if isinstance(refusal, Conflict):
        return f"{told} {words.gettext('What it is now stands beside what you typed; save again to keep yours.')}"
    return told


def fingerprint(campaign: Campaign, stored: Mapping[Key, Rule]) -> str:
    """What the page was made of: two who change the rules at once are told by it."""
    made_of = repr((campaign.tries_to_no_contact, [(name_of(key), rule) for key, rule in stored.items()]))
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
