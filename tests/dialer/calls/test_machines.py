"""The two state machines of a desk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dialer.calls.call import CALL_STEPS, CallStep, new_call_machine
from dialer.calls.machine import IllegalStep
from dialer.calls.operator_line import LINE_STEPS, LineStep, new_line_machine
from dialer.calls.view import CallState, LineState


def test_a_call_from_the_click_to_the_outcome() -> None:
    call = new_call_machine(7)
    with capture_logs() as lines:
        for step in (CallStep.PLACED, CallStep.RANG, CallStep.ANSWERED, CallStep.ENDED, CallStep.WRITTEN_DOWN):
            call.step(step)
    assert [(line["was"], line["now"]) for line in lines] == [
        ("none", "dialling"),
        ("dialling", "ringing"),
        ("ringing", "talking"),
        ("talking", "wrap_up"),
        ("wrap_up", "none"),
    ]
    assert {line["operator"] for line in lines} == {7}


def test_an_illegal_step_changes_nothing() -> None:
    call = new_call_machine(7)
    with pytest.raises(IllegalStep, match="answered while none"):
        call.step(CallStep.ANSWERED)
    assert call.state is CallState.NONE


@given(st.lists(st.sampled_from(list(CallStep)), max_size=30))
def test_no_order_of_events_leaves_a_call_that_cannot_end(steps: list[CallStep]) -> None:
    call = new_call_machine(1)
    for step in steps:
        if call.allows(step):
            call.step(step)
    if call.state not in (CallState.NONE, CallState.WRAP_UP):
        call.step(CallStep.ENDED)
    if call.state is CallState.WRAP_UP:
        call.step(CallStep.WRITTEN_DOWN)
    assert call.state is CallState.NONE


def test_every_state_is_reached_and_left() -> None:
    for states, table in (
        (set(CallState), {(was, now) for (was, _), now in CALL_STEPS.items()}),
        (set(LineState), {(was, now) for (was, _), now in LINE_STEPS.items()}),
    ):
        assert {was for was, _ in table} == states
        assert {now for _, now in table} == states


def test_a_line_that_drops_can_be_called_again() -> None:
    line = new_line_machine(1)
    for step in (LineStep.READY_ASKED, LineStep.HEADSET_ANSWERED, LineStep.LINE_DROPPED, LineStep.READY_ASKED):
        line.step(step)
    assert line.state is LineState.CALLING_HEADSET
