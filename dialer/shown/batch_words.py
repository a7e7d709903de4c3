"""What becomes of an offer to many clients, in words: for pages and for the command line."""

from __future__ import annotations

from collections import Counter

from crm.errors import ERRORS
from crm.offers.batches import BatchClientRow, BatchRow, BatchStep
from dialer.shown.labels import OFFER_STATES, offer_state
from dialer.words import Words, mark

# Of a count of clients, or where what the sentence of the error tells was not kept.
_IN_SHORT = {
    "dial.cap": mark("All tries of the day at it have been made: it goes on another day."),
    "dial.list_not_approved": mark("Its call list is not approved."),
    "dial.off_list": mark("It is off the list."),
    "offer.missing": mark("Nothing is known of it for a field of the text."),
}
_STEPS = {
    BatchStep.WAITING.value: mark("its turn has not come"),
    BatchStep.LEFT_OUT.value: mark("left out"),
}


def reason_in_words(words: Words, code: str) -> str:
    """Why one of many gets nothing, or gets it later; "" for no reason."""
    return words.gettext(_IN_SHORT.get(code) or ERRORS[code]) if code else ""


def steps_in_words(words: Words, steps: Counter[str]) -> list[tuple[str, int]]:
    """How many have come how far, the most first."""
    return [(words.gettext(_step(step)), count) for step, count in steps.most_common()]


def _step(step: str) -> str:
    return OFFER_STATES[step.removeprefix("offer.")] if step.startswith("offer.") else _STEPS[step]


def came_to(words: Words, row: BatchClientRow) -> str:
    """What became of one client's."""
    return offer_state(words, row.state, row.tries) if row.state else words.gettext(_STEPS[row.step.value])


def goes_on(words: Words, row: BatchRow) -> str:
    """How the whole of it stands."""
    if row.batch.stopped_at is not None:
        return words.gettext("stopped")
    return words.gettext("all turns have come") if row.batch.ended_at else words.gettext("under way")
