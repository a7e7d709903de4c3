"""What can go wrong inside the SIP stack."""

from __future__ import annotations


class SipError(Exception):
    """Something in the SIP part failed."""


class Unreadable(SipError):
    """These bytes are no SIP message that could be answered: they are dropped."""


class Malformed(SipError):
    """A request that breaks the grammar but can still be answered, with `sip_code` and `phrase`."""

    def __init__(self, sip_code: int, phrase: str) -> None:
        super().__init__(f"{sip_code} {phrase}")
        self.sip_code = sip_code
        self.phrase = phrase


class NotAcceptable(SipError):
    """A session description that we cannot work with (488); the message says why."""


class IllegalStep(SipError):
    """A state machine was given an input that its state does not allow: a fault of this program."""

    def __init__(self, machine: str, state: object, on: object) -> None:
        super().__init__(f"{machine}: {on} is not possible in {state}")
