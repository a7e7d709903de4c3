"""From the way a leg ended to the result of the attempt: what the network said, in the words of the sales day.

The codes are those of RFC 3261 section 21; the Q.850 causes (Reason header, RFC 3326) tell a wrong number from a busy
network where a gateway folds several into one SIP code (RFC 3398 section 7.2.6.1).
"""

from __future__ import annotations

from crm.calls.attempts import Result
from dialer.telephony import LegEnd, LegEnded

_BY_SIP_CODE: dict[int, Result] = {
    404: Result.NO_SUCH_NUMBER,
    410: Result.NO_SUCH_NUMBER,
    484: Result.NO_SUCH_NUMBER,
    485: Result.NO_SUCH_NUMBER,
    604: Result.NO_SUCH_NUMBER,
    486: Result.BUSY,
    600: Result.BUSY,
    480: Result.UNAVAILABLE,
    408: Result.NO_ANSWER,  # said by the far side; our own timer B is a NETWORK_FAILURE
    487: Result.NO_ANSWER,
    403: Result.TRUNK_FAILURE,  # the provider refuses us, not the client
    401: Result.TRUNK_FAILURE,
    402: Result.TRUNK_FAILURE,
    407: Result.TRUNK_FAILURE,
    603: Result.DECLINED,
    607: Result.DECLINED,  # RFC 8197
    608: Result.DECLINED,  # RFC 8688
    433: Result.DECLINED,  # RFC 5079: anonymity disallowed
    606: Result.UNAVAILABLE,
    488: Result.TRUNK_FAILURE,
}

_BY_Q850: dict[int, Result] = {
    1: Result.NO_SUCH_NUMBER,  # unallocated number
    28: Result.NO_SUCH_NUMBER,  # invalid number format
    22: Result.NO_SUCH_NUMBER,  # number changed
    17: Result.BUSY,
    18: Result.NO_ANSWER,
    19: Result.NO_ANSWER,
    20: Result.UNAVAILABLE,  # subscriber absent
    21: Result.DECLINED,
    27: Result.UNAVAILABLE,  # destination out of order
    34: Result.TRUNK_FAILURE,  # no circuit
    38: Result.TRUNK_FAILURE,  # network out of order
    42: Result.TRUNK_FAILURE,  # congestion
}

# A refusal that is final and names the client's side is believed; only a vague one is read by its Q.850 cause.
_VAGUE = frozenset({480, 500, 502, 503, 504, 580})


def result_of(ended: LegEnded, *, answered: bool) -> Result:
    """What the attempt's result is. `answered`: the client's side had answered before the end."""
    if answered:
        return Result.ANSWERED
    match ended.end:
        case LegEnd.RING_TIMEOUT:
            return Result.NO_ANSWER
        case LegEnd.CANCELLED | LegEnd.WE_HUNG_UP:
            return Result.CANCELLED
        case LegEnd.NETWORK_FAILURE | LegEnd.REMOTE_HUNG_UP:
            return Result.TRUNK_FAILURE
        case LegEnd.MEDIA_LOST:
            return Result.INTERRUPTED
        case LegEnd.REFUSED:
            return _refused(ended.sip_code, ended.q850)


def _refused(sip_code: int, q850: int | None) -> Result:
    if sip_code in _VAGUE and q850 in _BY_Q850:
        return _BY_Q850[q850]
    known = _BY_SIP_CODE.get(sip_code)
    if known is not None:
        return known
    if 300 <= sip_code < 400:
        return Result.DIVERTED
    if 600 <= sip_code < 700:
        return Result.DECLINED
    return Result.TRUNK_FAILURE
