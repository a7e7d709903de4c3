"""The list of calls with its filters, and the page of one call with its player."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import select

from crm.calls import recording_facts
from crm.calls.attempts import get_attempt
from crm.calls.disposition_sets import own_labels
from crm.calls.recording_facts import Recording
from crm.errors import Conflict, CrmError
from crm.group import Group
from crm.office.users import CALLERS, User
from crm.plan.dispositions import DISPOSITIONS
from crm.plan.outcome_chain import UNDONE, Outcome
from crm.preparation.results import Result
from crm.reading import views
from crm.wrap_up import outcomes
from dialer.console.calls.correction import answers, correction, may_correct, versions
from dialer.console.desk.outcome_form import read_form
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import scope_of, visitor, words_of, zone_of
from dialer.crm_words import explain, in_language
from dialer.reasons import unpacked
from dialer.shown.formats import minutes, moment, phone
from dialer.shown.labels import GROUPS, NO_RECORDING, RECORDINGS, disposition_name, group_name, result_name
from dialer.words import Words

PAGE_ROWS = 50
LONGEST_TEXT = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as they came; what makes no sense is left out rather than refused."""

    operator: str = ""
    group: str = ""
    disposition: str = ""
    result: str = ""
    since: str = ""
    until: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Chosen:
        def one_of(name: str, known: Mapping[str, object]) -> str:
            return query.get(name, "") if query.get(name, "") in known else ""

        operator = query.get("operator", "")
        return cls(
            operator=operator if sent.is_id(operator) else "",
            group=one_of("group", GROUPS),
            disposition=query.get("disposition", "")[:24],
            result=one_of("result", {result.value: result for result in Result}),
            since=_day_text(query.get("from", "")),
            until=_day_text(query.get("to", "")),
            text=query.get("text", "").strip()[:LONGEST_TEXT],
        )

    def query(self) -> dict[str, str]:
        """The filters for a link."""
        named = {
            "operator": self.operator,
            "group": self.group,
            "disposition": self.disposition,
            "result": self.result,
            "from": self.since,
            "to": self.until,
            "text": self.text,
        }
        return {name: value for name, value in named.items() if value}

    def filters(self, zone: tzinfo) -> views.CallFilters:
        """Days are those of the reader's zone; `until` is the last day that is shown."""
        return views.CallFilters(
            operator_id=int(self.operator) if self.operator else None,
            group=Group(self.group) if self.group else None,
            disposition=self.disposition or None,
            result=Result(self.result) if self.result else None,
            since=_midnight(self.since, zone) if self.since else None,
            until=_midnight(self.until, zone, days=1) if self.until else None,
            text=self.text,
        )


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as it is shown."""

    id: str
    when: str
    client: str
    operator: str
    number: str
    result: str
    talk: str
    recorded: bool
    mark: str
    disposition: str


async def calls(request: web.Request) -> web.StreamResponse:
    """GET /calls?text=&operator=&group=&disposition=&result=&from=&to=&before="""
    deps, words, zone = request.app[DEPS], words_of(request), zone_of(request)
    chosen = Chosen.of(request.query)
    before = _read_key(request.query.get("before", ""))
    callers = select(User).where(User.role.in_(CALLERS)).order_by(User.name)
    async with deps.database.reading() as session:
        found = await views.calls_page(
            session, before=before, filters=chosen.filters(zone), limit=PAGE_ROWS, scope=scope_of(request)
        )
        operators = list(await session.scalars(callers))
        names = await own_labels(session, words.language)
    query = chosen.query()
    context = {
        "rows": [_row(words, zone, each, names) for each in found.rows],
        "operators": operators,
        "groups": [(key, words.gettext(group_name(key))) for key in GROUPS],
        "dispositions": [
            (key, names.get(key) or words.gettext(disposition_name(key))) for key in {**DISPOSITIONS, **names}
        ],
        "results": [(result.value, words.gettext(result_name(result.value))) for result in Result],
        "chosen": chosen,
        "filtered": bool(query),
        "first": before is None,
        "newest": _link(query),
        "older": _link({**query, "before": _key(found.next_before)}) if found.next_before else "",
    }
    return await office_page(request, "calls.html", context)


async def call(request: web.Request) -> web.StreamResponse:
    """GET /calls/{attempt_id}: what was written down, and the player."""
    return await _call_page(request)


async def correct(request: web.Request) -> web.StreamResponse:
    """POST /calls/{attempt_id}/outcome: another outcome in the place of `corrects`; that one is kept. What is refused
    is told beside what was typed."""
    deps, attempt_id = request.app[DEPS], request.match_info["attempt_id"]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    async with deps.database.reading() as session:
        attempt = await get_attempt(session, attempt_id)
        written = await outcomes.current_outcome(session, attempt_id)
    if not may_correct(visitor(request), attempt.operator_id):
        raise Trouble.not_for_you()
    corrects = typed.get("corrects", "")
    if not sent.is_id(corrects):
        raise Trouble.unreadable()
    try:
        stood_at = written.callback_at_local if written is not None else None
        form = await read_form(request, attempt_id, typed, of_others=True, stood_at=stood_at)
        await deps.database.carry_out(
            lambda session: outcomes.record(
                session, attempt_id=attempt_id, form=form, author_id=visitor(request).user_id, now=deps.clock(),
                corrects=int(corrects),
            )
        )  # fmt: skip
    except CrmError as refusal:
        return await _call_page(request, typed=typed, refusal=refusal)
    return see_other(f"/calls/{attempt_id}")


async def _call_page(
    request: web.Request, *, typed: Mapping[str, str] | None = None, refusal: CrmError | None = None
) -> web.StreamResponse:
    deps, words, zone = request.app[DEPS], words_of(request), zone_of(request)
    attempt_id = request.match_info["attempt_id"]
    async with deps.database.reading() as session:
        found = await views.call(session, attempt_id=attempt_id)
        if not await scope_of(request).has_attempt(session, attempt_id):
            raise Trouble.not_for_you()
        sees_client = await scope_of(request).has_client(session, found.client_id)
        outcome = await outcomes.current_outcome(session, attempt_id)
        recording = await recording_facts.find_recording(session, attempt_id)
        names = await own_labels(session, words.language)
        all_versions = await versions(session, words, zone, attempt_id)
        form = None
        if may_correct(visitor(request), found.operator_id):
            form = await correction(
                session, words, found, outcome, typed, by_operator=visitor(request).role == "operator"
            )
    context: dict[str, object] = {
        "call": _row(words, zone, found, names),
        "back": "/referrals" if request.query.get("from") == "referrals" else "/calls",
        "client_id": found.client_id if sees_client else None,
        "written": _written(words, found, outcome, names),
        "recording": None,
        "no_recording": _no_recording(words, recording),
        "versions": all_versions,
        "correction": form,
        "trouble": explain(words, refusal.code, refusal.params) if refusal is not None else "",
    }
    if recording is not None and recording.playable:
        context["recording"] = {"duration": recording.duration_s, "shown": minutes(recording.duration_s)}
    response = await office_page(request, "call.html", context)
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def _row(words: Words, zone: tzinfo, found: views.CallRow, names: Mapping[str, str]) -> CallRow:
    disposition = DISPOSITIONS.get(found.disposition or "")
    return CallRow(
        id=found.attempt_id,
        when=moment(words, found.opened_at, zone),
        client=found.organisation,
        operator=found.operator,
        number=phone(found.dialled),
        result=words.gettext(result_name(found.result.value)) if found.result else words.gettext("in progress"),
        talk=minutes(found.talk_seconds),
        recorded=found.duration_s is not None,
        mark=disposition.group.value if disposition is not None and disposition.group else "",
        disposition=_named(words, found.disposition, names) if found.disposition else "—",
    )


def _named(words: Words, disposition: str, names: Mapping[str, str]) -> str:
    return names.get(disposition) or words.gettext(disposition_name(disposition))


def _written(
    words: Words, found: views.CallRow, outcome: Outcome | None, names: Mapping[str, str]
) -> list[tuple[str, str]]:
    """What the network said and what the operator wrote, as pairs of a name and a text."""
    result = words.gettext(result_name(found.result.value)) if found.result else words.gettext("in progress")
    pairs = [(words.gettext("Number"), phone(found.dialled)), (words.gettext("Result"), result)]
    if outcome is None or outcome.disposition == UNDONE:
        return [*pairs, (words.gettext("Outcome"), words.gettext("not written down yet"))]
    contact = {"main": words.gettext("Main contact"), "other": words.gettext("Contact")}.get(found.contact, "")
    return [
        *pairs,
        (words.gettext("Outcome"), _named(words, outcome.disposition, names)),
        (words.gettext("Counts as"), contact or words.gettext("Attempt")),
        *answers(words, outcome),
    ]


def _no_recording(words: Words, recording: Recording | None) -> str:
    if recording is None:
        return words.gettext(NO_RECORDING)
    if recording.erased_at is not None:
        return words.gettext("The recording was erased at somebody's request.")
    text = RECORDINGS.get(recording.state.value)
    return words.gettext(text, reason=in_language(words, unpacked(recording.failure))) if text else ""


def _key(key: views.CallKey) -> str:
    """Where the next page begins: the moment in microseconds and the id."""
    return f"{(key.opened_at - EPOCH) // timedelta(microseconds=1)}-{key.attempt_id}"


def _read_key(text: str) -> views.CallKey | None:
    micros, _, attempt_id = text.partition("-")
    if not (micros.isascii() and micros.isdigit() and len(micros) <= 17 and attempt_id):
        return None
    return views.CallKey(EPOCH + timedelta(microseconds=int(micros)), attempt_id)


def _link(query: Mapping[str, str]) -> str:
    return f"/calls?{urlencode(query)}" if query else "/calls"


def _day_text(text: str) -> str:
    found = sent.day(text)
    return found.isoformat() if found else ""


def _midnight(day: str, zone: tzinfo, days: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), tzinfo=zone)
