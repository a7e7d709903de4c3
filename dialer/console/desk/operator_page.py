"""The operator's page: its regions as HTML, made anew only where something in them has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from markupsafe import Markup

from crm.calls.disposition_sets import dispositions_of, own_labels
from crm.calls.letters import LONGEST_NOTE
from crm.clientele import clients
from crm.day.skips import Skipped, skipped_just_now
from crm.deals.deal_stages import OPEN, DealStage
from crm.deals.deals import today_of
from crm.plan.dispositions import DISPOSITIONS, Disposition
from crm.preparation.scripts import Step, steps_for
from crm.reading.referral_rows import offered_count
from crm.reading.sales_book import any_sells_by_deals
from crm.wrap_up import outcomes, undo
from dialer.calls.errors import DATABASE_MESSAGES, no_line
from dialer.calls.view import CallState, DeskView, LineState, RecordingState
from dialer.console.deals.deal_page import ShownDeal, open_deals
from dialer.console.desk.day import Day, current_line, read_day
from dialer.console.desk.outcome_form import FIELD_OF_CODE, choices
from dialer.console.desk.questionnaire import AskedNow, asked_now, shown_sheets, surveys
from dialer.console.web.deps import DEPS, ConsoleDeps
from dialer.console.web.pages import embedded, fragment, page, pages_of
from dialer.console.web.visitors import scope_of, visitor, words_of, zone_of
from dialer.crm_words import explain
from dialer.reasons import advice_for
from dialer.shown.card import Card, read_card
from dialer.shown.deal_words import stage_name
from dialer.shown.experts import experts_to_choose
from dialer.shown.formats import phone
from dialer.shown.labels import CHANNELS, disposition_name, result_name
from dialer.words import Words, mark

WRITING_STATES = frozenset({CallState.TALKING, CallState.HANGING_UP, CallState.WRAP_UP})

SKIP_REASONS = (mark("Called from elsewhere already"), mark("A duplicate"), mark("Needs preparation"))

CALL_WORDS = {
    CallState.DIALLING: mark("Dialling"),
    CallState.RINGING: mark("It rings"),
    CallState.EARLY_MEDIA: mark("The network is speaking"),
    CallState.TALKING: mark("Talking"),
    CallState.HANGING_UP: mark("Hanging up"),
    CallState.WRAP_UP: mark("The call has ended"),
}
LINE_WORDS = {
    LineState.OFFLINE: mark("Not at work"),
    LineState.CALLING_HEADSET: mark("Calling your headset"),
    LineState.READY: mark("Ready"),
    LineState.PAUSED: mark("Pause"),
    LineState.FAULT: mark("Trouble with the headset"),
}
CALL_LOOKS = {
    CallState.DIALLING: "dialling",
    CallState.RINGING: "dialling",
    CallState.EARLY_MEDIA: "dialling",
    CallState.TALKING: "talking",
    CallState.HANGING_UP: "wrap_up",
    CallState.WRAP_UP: "wrap_up",
}

# Messages that are news rather than trouble.
CALM_MESSAGES = frozenset({"desk.nothing_to_call", "desk.client_left", "desk.interrupted", "desk.uncertain"})

DRAFT_FIELDS = (
    *("disposition", "person_id", "person_name", "person_position", "person_decides", "summary", "reason"),
    *("competitor", "when", "asked_by", "number_only", "note", "expert_id"),
    *("contract_deal", "contract_product", "contract_amount", "contract_on"),
)
EMPTY_DRAFT = dict.fromkeys(DRAFT_FIELDS, "")


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the page. `key` changes when the page must take the part anew."""

    key: str
    html: Markup


@dataclass(frozen=True, slots=True)
class StateBox:
    """The filled box on top of the right column."""

    key: str
    look: str
    icon: str
    word: str
    detail: str
    recording: str
    since: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be undone until `until`, in milliseconds since 1970."""

    attempt_id: str
    client: str
    outcome: str
    until: int


async def operator_page(request: web.Request) -> web.StreamResponse:
    """GET /operator"""
    deps, known, words = request.app[DEPS], visitor(request), words_of(request)
    view = await deps.desk.view(known.user_id)
    snapshots = Snapshots(request, {})
    parts, stages = await snapshots.regions(view, beat=True), await _deal_stages(deps, words)
    context = {
        "regions": parts,
        "zone_name": zone_name_of(request),
        "call_state": view.call.value,
        "client_id": view.client_id,
        "attempt_id": view.attempt_id,
        "strings": embedded(_strings(words)),
        "channels": [(value, words.gettext(name)) for value, name in CHANNELS.items()],
        "longest_note": LONGEST_NOTE,
        "deal_stages": stages,
        "pages": pages_of(known, words, deals=bool(stages))[1:],  # without this one
    }
    return page(request, "operator.html", context)


async def _deal_stages(deps: ConsoleDeps, words: Words) -> list[tuple[str, str]]:
    """To which a deal is moved from the card; none where no campaign sells by deals."""
    async with deps.database.reading() as session:
        if not await any_sells_by_deals(session):
            return []
    return [(stage.value, stage_name(words, stage)) for stage in (*OPEN, DealStage.CONTRACT)]


def zone_name_of(request: web.Request) -> str:
    return str(zone_of(request))


def _strings(words: Words) -> dict[str, object]:
    """The few words that the script itself shows."""
    return {
        "title": words.gettext("My calls"),
        "unreachable": words.gettext("The service cannot be reached. What you typed stays on this page; try again."),
        "notKept": words.gettext("What you typed could not be kept yet; it stays on this page."),
        "needed": words.gettext("This question needs an answer."),
        "choose": words.gettext("Choose the outcome first: a digit, or a click."),
        "fieldOfCode": FIELD_OF_CODE,
    }


class Snapshots:
    """What one page is sent: remembers which regions the page has."""

    def __init__(self, request: web.Request, have: Mapping[str, str]) -> None:
        self._request = request
        self._have = dict(have)
        self._words = words_of(request)
        self._zone = zone_of(request)
        self._card: Card | None = None
        self._card_for: tuple[object, ...] = ()
        self._day: Day | None = None
        self._undo: undo.Undoable | None = None
        self._skipped: Skipped | None = None
        self._dispositions: Mapping[str, Disposition] = DISPOSITIONS
        self._own_names: Mapping[str, str] = {}
        self._steps: tuple[Step, ...] = ()
        self._experts: list[tuple[str, str]] = []
        self._handed = 0
        self._sheets: tuple[AskedNow, ...] = ()
        self._deals: list[ShownDeal] | None = None
        self._today = ""

    async def of(self, view: DeskView, *, beat: bool) -> dict[str, object]:
        """The snapshot to send, with the regions that the page does not have. `beat`: time has passed, so what depends
        on it is looked at again."""
        parts = await self.regions(view, beat=beat)
        changed = {name: part for name, part in parts.items() if self._have.get(name) != part.key}
        self._have.update({name: part.key for name, part in changed.items()})
        return {
            "now": _ms(self._now()),
            "line": view.line.value,
            "call": view.call.value,
            "client": view.client_id,
            "attempt": view.attempt_id,
            "proposal": view.proposal,
            "levels": {"operator": view.operator_dbov, "client": view.client_dbov},
            "silent": view.silent,
            "spoken": self._spoken(view),
            "regions": {name: {"key": part.key, "html": part.html} for name, part in changed.items()},
        }

    async def regions(self, view: DeskView, *, beat: bool) -> dict[str, Region]:
        """Every region of the page as it should be now."""
        await self._look_up(view, beat=beat)
        writing = view.attempt_id is not None and view.call in WRITING_STATES
        typed = await self._draft_of(view) if writing else {}
        draft = {**EMPTY_DRAFT, **{name: text for name, text in typed.items() if name in EMPTY_DRAFT}}
        choosing = view.line is LineState.READY and view.call is CallState.NONE
        common: dict[str, object] = {"view": view, "card": self._card, "writing": writing, "draft": draft}
        common["offers_link"] = bool(self._request.app[DEPS].settings.mail.host)
        return {
            "line": self._region("_line.html", common),
            "banner": self._region("_banner.html", {"banners": self._banners(view)}),
            "day": self._region("_day.html", {"day": self._day, "handed": self._handed}),
            "undo": self._region("_undo.html", self._takes_back(view)),
            # What is typed must not be swapped away, so these two change with the call and not with the draft.
            "note": self._region("_note.html", common, key=(view.attempt_id if writing else "",)),
            "questionnaire": self._questionnaire(view, typed, writing=writing),
            "outcome": self._outcome(view, common, draft),
            "card": self._region(
                "_card.html",
                {
                    **common,
                    "choosing": choosing,
                    "open_deals": self._deals,
                    "zone_name": str(self._zone),
                    "nobody": self._day.nobody if self._day else "",
                },
            ),
            "script": self._region("_script.html", {"steps": self._steps}),
            "history": self._region("_history.html", common),
            "call": self._region(
                "_call.html",
                {
                    **common,
                    "state": self._state(view),
                    "message": self._message(view),
                    "message_bad": view.message is not None and view.message.code not in CALM_MESSAGES,
                    "skip_phrases": [self._words.gettext(reason) for reason in SKIP_REASONS],
                },
            ),
        }

    def _questionnaire(self, view: DeskView, typed: Mapping[str, str], *, writing: bool) -> Region:
        """What is typed must not be swapped away: it changes with the call, and with what is asked."""
        sheets = shown_sheets(self._words, self._sheets, typed) if writing else []
        key = (view.attempt_id, *(sheet.name for sheet in sheets)) if sheets else ("",)
        return self._region("_questionnaire.html", {"sheets": sheets, "form": "outcome-form"}, key=key)

    def _outcome(self, view: DeskView, common: Mapping[str, object], draft: dict[str, str]) -> Region:
        answered = view.answered_at is not None
        card = self._card
        was_abandoned = card is not None and card.group == "abandoned"
        offered = choices(
            self._words, self._dispositions, answered=answered, was_abandoned=was_abandoned,
            has_experts=bool(self._experts), surveyed=surveys(self._sheets),
            sells=self._deals is not None, by_operator=visitor(self._request).role == "operator",
        )  # fmt: skip
        people = card.people if card is not None else ()
        restored = any(draft.values())
        if common["writing"] and not restored:
            draft["person_id"] = next((str(person.id) for person in people if person.decides), "")
            if view.call is CallState.WRAP_UP and view.proposal in {item.key for item in offered}:
                draft["disposition"] = view.proposal or ""
        context = {**common, "draft": draft, "choices": offered, "people": people, "restored": restored}
        context |= {"experts": self._experts, "open_deals": self._deals, "today": self._today}
        key = (view.attempt_id, view.call in WRITING_STATES, answered)
        return self._region("_outcome.html", context, key=key)

    def _region(self, template: str, context: Mapping[str, object], *, key: tuple[object, ...] | None = None) -> Region:
        html = fragment(self._request, template, context)
        basis = html if key is None else repr((key, self._words.language))
        return Region(hashlib.sha256(basis.encode()).hexdigest()[:16], html)

    async def _look_up(self, view: DeskView, *, beat: bool) -> None:
        """Read the card and the day when they may have changed: another client, another state, or a while has passed.
        Levels come every second and read nothing."""
        deps = self._request.app[DEPS]
        about = (
            view.client_id,
            view.entry_id,
            view.attempt_id,
            view.call,
            view.line,
            view.dialling_stopped,
            view.looks,
            view.message,
        )
        if about == self._card_for and not beat and self._day is not None:
            return
        self._card_for = about
        operator_id, now = visitor(self._request).user_id, self._now()
        card, words, zone = None, self._words, self._zone
        self._steps, self._sheets, self._deals = (), (), None
        async with deps.database.reading() as session:
            if view.client_id is not None:
                card = await read_card(
                    session,
                    words,
                    zone,
                    client_id=view.client_id,
                    operator_id=operator_id,
                    now=now,
                    attempt_id=view.attempt_id,
                    scope=scope_of(self._request),
                )
                self._steps = await steps_for(session, card.campaign_id)
                self._deals = await open_deals(session, words, view.client_id)
                self._today = (await today_of(session, card.campaign_id, now)).isoformat()
                campaign_id = (await clients.get_client(session, view.client_id)).campaign_id
                self._dispositions = await dispositions_of(session, campaign_id)
                self._experts = await experts_to_choose(
                    session, words, client_id=view.client_id, operator_id=operator_id, now=now
                )
                self._sheets = await asked_now(
                    session, client_id=view.client_id, campaign_id=campaign_id, group=card.group
                )
            if visitor(self._request).role == "expert":
                self._handed = await offered_count(session, expert_id=operator_id)
            self._own_names = await own_labels(session, words.language)
            current = current_line(words, zone, card, now) if card is not None else None
            self._undo = await undo.undoable(session, operator_id=operator_id, now=now)
            self._skipped = await skipped_just_now(session, operator_id=operator_id, now=now)
            self._day = await read_day(
                session,
                words,
                zone,
                operator_id=operator_id,
                current=current,
                none_left=view.message is not None and view.message.code not in DATABASE_MESSAGES,
                now=now,
            )
        self._card = card

    def _takes_back(self, view: DeskView) -> dict[str, object]:
        """What `Ctrl+Z` takes back: the later of an outcome and a skip."""
        outcome, skipped = self._offered(view), self._skipped
        ready = view.line is LineState.READY and view.call is CallState.NONE
        if skipped is not None and (not ready or skipped.until <= self._now()):
            skipped = None
        if outcome is not None and skipped is not None and _ms(skipped.until) > outcome.until:
            outcome = None
        return {"undo": outcome, "skipped": skipped, "skipped_until": _ms(skipped.until) if skipped else 0}

    def _offered(self, view: DeskView) -> Offer | None:
        """What was saved just now and can be undone; not in the next call."""
        found = self._undo
        if found is None or view.call is not CallState.NONE or found.until <= self._now():
            return None
        usual = self._words.gettext(disposition_name(found.disposition))
        outcome = self._own_names.get(found.disposition, usual)
        return Offer(found.attempt_id, found.organisation, outcome, _ms(found.until))

    async def _draft_of(self, view: DeskView) -> dict[str, str]:
        assert view.attempt_id is not None  # asked for only while there is an outcome to write
        async with self._request.app[DEPS].database.reading() as session:
            kept = await outcomes.load_draft(session, attempt_id=view.attempt_id)
        return {name: str(text) for name, text in kept.items()}

    def _now(self) -> datetime:
        return self._request.app[DEPS].clock()

    def _banners(self, view: DeskView) -> list[tuple[bool, str]]:
        banners = []
        if view.dialling_stopped:
            banners.append(
                (True, self._words.gettext("The manager has stopped all dialling. A call in progress goes on."))
            )
        if not view.trunk_ready:
            trouble = no_line(view.trunk_detail)
            down = explain(self._words, trouble.code, trouble.params)
            advice = advice_for(view.trunk_detail)
            banners.append((True, f"{down} {self._words.gettext(advice)}" if advice else down))
        return banners

    def _message(self, view: DeskView) -> str:
        """What the operator should know now, the most pressing first."""
        if view.call is CallState.TALKING and view.silent == "operator":
            return self._words.gettext(
                "The client cannot hear you: nothing comes from your microphone. Is it muted or unplugged?"
            )
        if view.call is CallState.TALKING and view.silent == "client":
            return self._words.gettext("Nothing comes from the client's side. Ask whether they hear you.")
        if view.message is not None:
            return explain(self._words, _code_now(view, view.message.code), view.message.params)
        return ""

    def _state(self, view: DeskView) -> StateBox:
        in_call = view.call is not CallState.NONE
        if in_call:
            key, look = view.call.value, CALL_LOOKS[view.call]
        else:
            key = view.line.value
            look = {LineState.CALLING_HEADSET: "dialling", LineState.FAULT: "fault"}.get(view.line, "ready")
        detail = phone(view.dialled) if in_call and view.dialled else ""
        if view.call is CallState.WRAP_UP and view.result:
            detail = f"{detail} · {self._words.gettext(result_name(view.result))}".strip(" ·")
        timed = in_call or view.line is LineState.PAUSED
        return StateBox(
            key=key,
            look=look,
            icon=key if key in ("talking", "wrap_up", "fault", "paused", "ready", "offline") else "dialling",
            word=self._spoken(view),
            detail=detail,
            recording=self._recording(view) if view.call in (CallState.TALKING, CallState.EARLY_MEDIA) else "",
            since=_ms(view.since) if timed else None,
        )

    def _spoken(self, view: DeskView) -> str:
        if view.call is CallState.NONE:
            return self._words.gettext(LINE_WORDS[view.line])
        return self._words.gettext(CALL_WORDS[view.call])

    def _recording(self, view: DeskView) -> str:
        return self._words.gettext(
            {
                RecordingState.OFF: mark("not recorded"),
                RecordingState.ON: mark("being recorded"),
                RecordingState.FAILED: mark("recording failed"),
            }[view.recording]
        )


def _code_now(view: DeskView, code: str) -> str:
    """Trouble with the database outlasts the call that it began in."""
    if code not in DATABASE_MESSAGES:
        return code
    if view.call is CallState.NONE:
        return "desk.database_away"
    return "desk.database_after_call" if view.call is CallState.WRAP_UP else "desk.database_trouble"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
