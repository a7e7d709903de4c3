"""The form after a call: which questions a disposition asks, and what was answered as `crm.wrap_up.outcomes` takes
it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from aiohttp import web

from crm.base.past_deals import read_amount
from crm.calls import attempts
from crm.calls.disposition_sets import disposition_of
from crm.clientele import clients
from crm.errors import Refused
from crm.plan import callbacks
from crm.plan.dispositions import Ask, Disposition, may_sign, possible
from crm.preparation.calling_hours import Hours, Unusual, unusual
from crm.preparation.campaigns import get_campaign
from crm.time_zones import instant
from crm.wrap_up.contracts import Signed
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.desk.questionnaire import typed_sheets
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import visitor, words_of
from dialer.shown.formats import naive_moment, near_moment, zone_city
from dialer.shown.labels import disposition_name
from dialer.words import Words, mark

LONGEST_ANSWER = 4000

# Which part of the form answers an `Ask`, and which of its fields must not stay empty where the ask is required.
PARTS = {
    Ask.PERSON: ("person", ("person_name",)),
    Ask.SUMMARY: ("summary", ("summary",)),
    Ask.NEXT_CONTACT: ("when", ("when",)),
    Ask.COMPETITOR: ("competitor", ("competitor",)),
    Ask.REASON: ("reason", ("reason",)),
    Ask.WHEN: ("when", ("when",)),
    Ask.ASKED_BY: ("asked_by", ("asked_by",)),
    Ask.NUMBER_ONLY: ("number_only", ()),
    Ask.EXPERT: ("expert", ()),
    Ask.QUESTIONNAIRE: ("questionnaire", ()),
    Ask.CONTRACT: ("contract", ("contract_amount",)),
}

REASON_LABELS = {
    "competitor": mark("Why them"),
    "cold": mark("Why they do not want it"),
    "abandoned": mark("Why they left"),
    "nonexistent": mark("What is wrong"),
    "do_not_call": mark("What they said"),
}
WHY_LEFT = mark("Why they left us")

REASON_PHRASES = {
    "competitor": (mark("Satisfied with the supplier"), mark("Under contract")),
    "cold": (mark("Never used it, no need"), mark("No budget"), mark("Too small for it")),
    "abandoned": (mark("Nobody called them"), mark("Price"), mark("Quality or delivery")),
    "nonexistent": (mark("The number is wrong"), mark("The company is closed"), mark("Moved, no trace")),
}
SUMMARY_PHRASES = {
    "not_main": (
        mark("The decision-maker is away"),
        mark("The secretary did not put me through"),
        mark("Asked to send the offer first"),
    ),
}

# Which field a refusal is about, so that the focus goes there.
FIELD_OF_CODE = {
    "outcome.callback_needs_time": "when",
    "callback.in_the_past": "when",
    "callback.words": "when",
    "callback.words_no_time": "when",
    "callback.words_no_such_date": "when",
    "callback.words_range": "when",
    "outcome.needs_competitor": "competitor",
    "outcome.needs_asked_by": "asked_by",
    "outcome.needs_reason": "reason",
    "outcome.needs_reason_left": "reason",
    "outcome.needs_summary": "summary",
    "contact.needs_summary": "summary",
    "outcome.needs_full_name": "person_name",
    "contact.needs_full_name": "person_name",
    "referral.no_expert": "expert_id",
    "outcome.needs_contract": "contract_deal",
    "deal.needs_sum": "contract_amount",
    "deal.amount": "contract_amount",
    "deal.day_to_come": "contract_on",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One disposition as the form shows it. `asks`: parts of the form; `needs`: fields that must be answered;
    `decides`: whether the person who is proposed is one who decides."""

    key: str
    digit: str
    group: str
    label: str
    asks: tuple[str, ...]
    needs: tuple[str, ...]
    reason_label: str
    when_label: str
    reason_phrases: tuple[str, ...]
    summary_phrases: tuple[str, ...]
    summary_always: bool
    decides: bool


def choices(
    words: Words,
    dispositions: Mapping[str, Disposition],
    *,
    answered: bool,
    was_abandoned: bool,
    has_experts: bool = False,
    surveyed: bool = False,
    sells: bool = False,
    by_operator: bool = True,
) -> list[Choice]:
    """What may be chosen of these after this call. A client from "abandoned" is asked why it left, whichever key,
    unless a survey asks it that (`surveyed`). To whom a client goes is asked where there are experts to choose from,
    for a contract where the campaign sells by deals (`sells`) and who calls may sign one."""
    offered = possible(answered=answered, of=dispositions)
    left_out = frozenset() if answered else frozenset({Ask.PERSON, Ask.SUMMARY, Ask.ASKED_BY})
    left_out = left_out if has_experts and answered else left_out | {Ask.EXPERT}
    asked_elsewhere = surveyed and was_abandoned and answered
    return [
        _choice(
            words,
            item,
            left_out
            | ({Ask.REASON} if asked_elsewhere and item.acts_as == "abandoned" else frozenset())
            | (frozenset() if answered and sells and may_sign(item, by_operator=by_operator) else {Ask.CONTRACT}),
            was_abandoned and answered and not surveyed,
        )
        for item in offered
    ]


def _choice(words: Words, item: Disposition, left_out: frozenset[Ask], ask_why_left: bool) -> Choice:
    asks = [ask for ask in item.asks if ask not in left_out]
    required = set(item.required)
    if ask_why_left:
        asks = asks if Ask.REASON in asks else [*asks, Ask.REASON]
        required.add(Ask.REASON)
    when_label = mark("When to call, by the client's clock")
    if Ask.WHEN not in asks:
        when_label = mark("Next contact, by the client's clock (if agreed)")
    reason_label = WHY_LEFT if ask_why_left else REASON_LABELS.get(item.acts_as, mark("Reason"))
    phrases = REASON_PHRASES.get("abandoned" if ask_why_left else item.acts_as, ())
    return Choice(
        key=item.key,
        digit=item.digit,
        group=item.group.value if item.group else "",
        label=label_of(words, item),
        asks=tuple(PARTS[ask][0] for ask in asks),
        needs=tuple(field for ask in asks if ask in required for field in PARTS[ask][1]),
        reason_label=words.gettext(reason_label) if reason_label else "",
        when_label=words.gettext(when_label),
        reason_phrases=tuple(words.gettext(phrase) for phrase in phrases),
        summary_phrases=tuple(words.gettext(phrase) for phrase in SUMMARY_PHRASES.get(item.acts_as, ())),
        summary_always=Ask.SUMMARY in item.required,
        decides=item.may_be_main,
    )


def label_of(words: Words, item: Disposition) -> str:
    """The own name, or the usual one."""
    own = item.labels[0] if words.language == "ru" else item.labels[1]
    return own or words.gettext(disposition_name(item.acts_as))


@dataclass(frozen=True, slots=True)
class MeantTime:
    """A spoken time as it was understood: on the client's clock, as an instant, and by the campaign's hours."""

    local_at: datetime
    zone_name: str
    now: datetime
    hours: Hours

    def echo(self, words: Words, reader_zone: tzinfo) -> str:
        """`= чт 15 мая 15:30 (Екатеринбург), 13:30 у вас`"""
        at = instant(self.local_at, self.zone_name)
        there = naive_moment(words, self.local_at)
        if self.local_at == at.astimezone(reader_zone).replace(tzinfo=None):
            return f"= {there}"
        return words.gettext(
            "= {there} ({city}), {here} for you",
            there=there,
            city=zone_city(words, self.zone_name),
            here=near_moment(words, at, reader_zone, at)
            if at.astimezone(reader_zone).date() == self.local_at.date()
            else near_moment(words, at, reader_zone, self.now),
        )

    def warning(self, words: Words) -> str:
        """What is unusual about the time, "" for nothing: a promise comes up outside the hours as well."""
        match unusual(self.hours, self.zone_name, instant(self.local_at, self.zone_name)):
            case Unusual.DAY_OFF:
                return words.gettext("A day off there. The callback will come up all the same.")
            case Unusual.HOURS:
                return words.gettext(
                    "Outside calling hours ({begin}–{end}). The callback will come up all the same.",
                    begin=f"{self.hours.calls_from:%H:%M}",
                    end=f"{self.hours.calls_until:%H:%M}",
                )
        return ""


async def read_when(request: web.Request, attempt_id: str, text: str, *, of_others: bool = False) -> MeantTime:
    """What `text` means on the clock of this attempt's client; of another operator's only where that is allowed
    (`of_others`). Raises `Refused`."""
    deps = request.app[DEPS]
    now = deps.clock()
    async with deps.database.reading() as session:
        attempt = await attempts.get_attempt(session, attempt_id)
        if not of_others and attempt.operator_id != visitor(request).user_id:
            raise Trouble.not_for_you()
        client = await clients.get_client(session, attempt.client_id)
        zone_name = await clients.time_zone_of(session, client)
        campaign = await get_campaign(session, client.campaign_id)
    return MeantTime(callbacks.parse_when(text, now=now, zone=zone_name), zone_name, now, campaign)


async def _asks(request: web.Request, attempt_id: str, disposition: str) -> set[Ask]:
    """What this disposition asks in the campaign of the call. Raises `Refused` for one that there is not."""
    async with request.app[DEPS].database.reading() as session:
        attempt = await attempts.get_attempt(session, attempt_id)
        client = await clients.get_client(session, attempt.client_id)
        return set((await disposition_of(session, client.campaign_id, disposition)).asks)


def as_time(at_local: datetime) -> str:
    """A naive time as it can be typed again."""
    return at_local.strftime("%d.%m.%Y %H:%M")


async def read_form(
    request: web.Request,
    attempt_id: str,
    fields: Mapping[str, str],
    *,
    of_others: bool = False,
    stood_at: datetime | None = None,
) -> OutcomeForm:
    """The answers. `stood_at`: the time that stood on the form already, as `as_time` writes it; it may have passed.
    Those that belong to another disposition and were left behind are not read here, nor taken by
    `crm.wrap_up.outcomes`."""
    disposition = fields.get("disposition", "")
    if not disposition:
        raise Refused("outcome.unknown_disposition", disposition="")
    answers = {name: text.strip()[:LONGEST_ANSWER] for name, text in fields.items()}
    asks = await _asks(request, attempt_id, disposition)
    when = answers.get("when", "") if asks & {Ask.WHEN, Ask.NEXT_CONTACT} else ""
    is_as_it_stood = stood_at is not None and when == as_time(stood_at)
    meant = await read_when(request, attempt_id, when, of_others=of_others) if when and not is_as_it_stood else None
    person, expert = answers.get("person_id", ""), answers.get("expert_id", "")
    return OutcomeForm(
        disposition=disposition,
        person_id=sent.number(person) if person else None,
        person_name="" if person else answers.get("person_name", ""),
        person_position="" if person else answers.get("person_position", ""),
        person_decides=not person and answers.get("person_decides") == "yes",
        summary=answers.get("summary", ""),
        reason=answers.get("reason", ""),
        competitor=answers.get("competitor", ""),
        callback_at_local=stood_at if is_as_it_stood else meant.local_at if meant else None,
        callback_words=when if meant else "",
        asked_by=answers.get("asked_by", ""),
        number_only=answers.get("number_only") == "yes",
        note=answers.get("note", ""),
        expert_id=sent.number(expert) if expert else None,
        signed=_signed(answers) if Ask.CONTRACT in asks else None,
        sheets=typed_sheets(fields),
        language=words_of(request).language,
    )


def _signed(answers: Mapping[str, str]) -> Signed | None:
    """The contract, of one of the client's deals or of one that is "new"."""
    deal, signed_on = answers.get("contract_deal", ""), answers.get("contract_on", "")
    if not deal:
        return None
    if signed_on and sent.day(signed_on) is None:
        raise Trouble.unreadable()
    return Signed(
        deal_id=None if deal == "new" else sent.number(deal),
        product=answers.get("contract_product", "") if deal == "new" else "",
        amount=read_amount(answers.get("contract_amount", "")),
        on=sent.day(signed_on) if signed_on else None,
    )
