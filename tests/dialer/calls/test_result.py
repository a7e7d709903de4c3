"""What the network said, told apart."""

import pytest

from crm.calls.attempts import Result
from dialer.calls.result import result_of
from dialer.telephony import LegEnd, LegEnded


@pytest.mark.parametrize(
    ("sip_code", "result"),
    [
        (486, Result.BUSY),
        (600, Result.BUSY),
        (404, Result.NO_SUCH_NUMBER),
        (484, Result.NO_SUCH_NUMBER),
        (604, Result.NO_SUCH_NUMBER),
        (480, Result.UNAVAILABLE),
        (408, Result.NO_ANSWER),
        (603, Result.DECLINED),
        (699, Result.DECLINED),
        (302, Result.DIVERTED),
        (503, Result.TRUNK_FAILURE),
        (500, Result.TRUNK_FAILURE),
        (403, Result.TRUNK_FAILURE),
        (407, Result.TRUNK_FAILURE),
        (499, Result.TRUNK_FAILURE),
    ],
)
def test_each_refusal_has_its_result(sip_code: int, result: Result) -> None:
    assert result_of(LegEnded(LegEnd.REFUSED, sip_code), answered=False) is result


@pytest.mark.parametrize(
    ("sip_code", "q850", "result"),
    [
        (503, 1, Result.NO_SUCH_NUMBER),
        (480, 17, Result.BUSY),
        (480, 19, Result.NO_ANSWER),
        (500, 34, Result.TRUNK_FAILURE),
        (486, 1, Result.BUSY),  # a code that names the client's side is believed over the cause
        (503, 127, Result.TRUNK_FAILURE),  # a cause that says nothing changes nothing
    ],
)
def test_the_cause_explains_a_vague_code(sip_code: int, q850: int, result: Result) -> None:
    assert result_of(LegEnded(LegEnd.REFUSED, sip_code, q850=q850), answered=False) is result


@pytest.mark.parametrize("end", list(LegEnd))
def test_a_call_that_was_answered_stays_answered(end: LegEnd) -> None:
    assert result_of(LegEnded(end), answered=True) is Result.ANSWERED


@pytest.mark.parametrize(
    ("end", "result"),
    [
        (LegEnd.RING_TIMEOUT, Result.NO_ANSWER),
        (LegEnd.CANCELLED, Result.CANCELLED),
        (LegEnd.NETWORK_FAILURE, Result.TRUNK_FAILURE),
        (LegEnd.MEDIA_LOST, Result.INTERRUPTED),
    ],
)
def test_what_is_no_refusal(end: LegEnd, result: Result) -> None:
    assert result_of(LegEnded(end), answered=False) is result
