"""Where a letter goes, in the one spelling in which it is sent, kept and refused: an e-mail address or a number."""

from __future__ import annotations

from dataclasses import dataclass

from crm.base.phone_parsing import read_phones
from crm.calls.letters import Channel
from crm.errors import Refused
from crm.office.mail_addresses import mail_address


@dataclass(frozen=True, slots=True)
class Whither:
    """To whom something is to go: `address` as it is sent to."""

    client_id: int
    person_id: int | None
    channel: Channel
    address: str
    asked_for: bool = False


def letter_address(written: str, channel: Channel, *, region: str) -> str:
    """As it is sent to: a number in E.164, read as one of `region` (ISO 3166-1). Raises `Refused`."""
    if channel is Channel.EMAIL:
        return mail_address(written)
    numbers = read_phones(written, region=region).phones
    if len(numbers) != 1:
        raise Refused("offer.fax_number", number=written.strip()[:40])
    return numbers[0].e164


def channel_of(written: str) -> Channel:
    """What it looks like."""
    is_number = "@" not in written and any(letter.isdecimal() for letter in written)
    return Channel.FAX if is_number else Channel.EMAIL
