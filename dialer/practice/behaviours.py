"""Which practice number does what: the last two digits choose. Pure.

`docs/practice.md` holds the same table for people; a test compares them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final


class Says(enum.Enum):
    """What is heard from a client who has answered."""

    VOICE = "voice"  # speaks with pauses, as long as the call lasts
    GREETING_AND_BEEP = "greeting and beep"  # an answering machine: a greeting, a beep, then silence
    ECHO = "echo"  # whatever it hears
    DIGITS = "digits"  # every key pressed, as two tones
    SILENCE = "silence"  # packets of silence: a muted microphone
    NOTHING = "nothing"  # no packets at all: one-way audio


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one client does.

    ring_s: seconds of ringing before the next step, `None` for ever. early_s: seconds of an announcement (183 with SDP)
    after that. Then either `refuse` (a final code 300-699) or the answer, after which the client says `says` and hangs
    up by itself after `hang_up_after_s` (`None`: never).
    """

    name: str
    ring_s: float | None = 1.0
    early_s: float = 0.0
    refuse: int = 0
    says: Says = Says.VOICE
    hang_up_after_s: float | None = None

    def sped_up(self, *, ring_s: float | None = None, talk_s: float | None = None) -> Behaviour:
        """The same, but whoever rings rings for `ring_s`, and whoever answers hangs up after `talk_s` at the latest."""
        changed = self
        if ring_s is not None and self.ring_s is not None and self.ring_s > 0:
            changed = replace(changed, ring_s=ring_s)
        if talk_s is not None and not self.refuse:
            own = self.hang_up_after_s
            changed = replace(changed, hang_up_after_s=talk_s if own is None else min(own, talk_s))
        return changed


NOT_A_NUMBER: Final = Behaviour("no practice number", ring_s=0, refuse=404)

_TALKS_AT_ONCE: Final = Behaviour("talks at once", ring_s=0)

SPECIAL: Final[dict[int, Behaviour]] = {
    0: _TALKS_AT_ONCE,
    20: Behaviour("busy", ring_s=0, refuse=486),
    21: Behaviour("no answer", ring_s=None),
    22: Behaviour("no such number", ring_s=0, refuse=404),
    23: Behaviour("declines", ring_s=2.0, refuse=603),
    24: Behaviour("hangs up first", hang_up_after_s=5.0),
    25: Behaviour("voicemail", ring_s=0, says=Says.GREETING_AND_BEEP),
    26: Behaviour("announcement, then answers", ring_s=0, early_s=3.0),
    27: Behaviour("announcement, then no such number", ring_s=0, early_s=3.0, refuse=404),
    28: Behaviour("unavailable", refuse=480),
    29: Behaviour("trunk trouble", ring_s=0, refuse=503),
    30: Behaviour("request timeout", refuse=408),
    31: Behaviour("moved", ring_s=0, refuse=302),
    32: Behaviour("echo", says=Says.ECHO),
    33: Behaviour("reads digits", says=Says.DIGITS),
    34: Behaviour("one-way audio", says=Says.NOTHING),
    35: Behaviour("muted microphone", says=Says.SILENCE),
    36: Behaviour("rings long, then talks", ring_s=12.0),
    37: Behaviour("hangs up at once", hang_up_after_s=0.0),
    38: Behaviour("forbidden", ring_s=0, refuse=403),
    39: Behaviour("server error", ring_s=0, refuse=500),
}

MOVED_TO: Final = "00"
"""A 302 points to the same number with these last digits."""


def behaviour_of(number: str) -> Behaviour:
    """What `number` (E.164 or any string ending in two digits) does; all without a special one ring and talk."""
    ending = number[-2:]
    if len(ending) != 2 or not (ending.isascii() and ending.isdigit()):
        return NOT_A_NUMBER
    last = int(ending)
    return SPECIAL.get(last) or Behaviour("talks", ring_s=1.0 + last % 3)
