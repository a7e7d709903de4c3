"""The carrier's account of each call, one JSON line at its end: the far end's truth, for tests to compare with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call as the carrier saw it.

    Times are Unix seconds. `talk_seconds`: from the answer (the 200 was sent) to the end, 0 if it was not answered.
    `packets_in`/`packets_out` count audio packets, `heard_dbov` is the RMS of what came in (-127: silence or nothing).
    `ended_by`: "caller", "client" (hung up, or refused with `sip_code`), "cancelled" (by the caller, before the answer)
    or "lost" (no ACK, no answer, transport failure, the carrier was stopped).
    """

    call_id: str
    number: str
    behaviour: str
    invited_at: float
    answered_at: float | None
    ended_at: float
    talk_seconds: float
    packets_in: int
    packets_out: int
    heard_dbov: float
    digits: str
    ended_by: str
    sip_code: int
    confirmed: bool  # the ACK to our 200 arrived
    caller: str = ""  # whose number we are shown: the user part of From


def append(path: Path, call: LoggedCall) -> None:
    """Add one line; whole lines only, also when the process is killed right after."""
    with path.open("ab", buffering=0) as log:
        log.write((json.dumps(asdict(call)) + "\n").encode())


def read(path: Path) -> list[LoggedCall]:
    """All calls so far, in the order of their ends; none if there is no file yet."""
    if not path.exists():
        return []
    return [LoggedCall(**json.loads(line)) for line in path.read_text().splitlines()]
