"""An offer as it goes out: its text, the same as HTML in which nothing but our own marks is markup, and its files.

All of a message comes from what was kept, so that a repetition is the same to the letter.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from email.utils import format_datetime as mail_date
from html import escape
from typing import Any, Final

from crm.calls.letters import Channel
from crm.offers.offers import Offer
from dialer.mailing.messages import POLICY, one_line
from dialer.words import Words

_UNSUBSCRIBE: Final = "unsubscribe"
_UNSUBSCRIBE_HEADER: Final = "List-Unsubscribe"


class _AddressInBrackets(BaseHeader):
    """A header with an address that is folded before it (RFC 2369 section 2): encoded words, which the library makes of
    a word that is longer than a line, would hide it from the reader's program."""

    max_count = 1

    @classmethod
    def parse(cls, string: str, kwds: dict[str, Any]) -> None:
        UnstructuredHeader.parse(string, kwds)

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}:{policy.linesep} {self}{policy.linesep}"


_HEADERS: Final = HeaderRegistry()
_HEADERS.map_to_type(_UNSUBSCRIBE_HEADER, _AddressInBrackets)
OFFER_POLICY: Final = POLICY.clone(header_factory=_HEADERS)


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file that goes with an offer."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: our `address`, and the name and the own address of whoever wrote the offer, "" for none. `we_read`:
    the mailbox of our address is read, so answers go there too."""

    address: str
    name: str
    reply_to: str
    we_read: bool = False


def compose_offer(offer: Offer, *, sender: Sender, files: Sequence[Enclosed], speech: Words) -> EmailMessage:
    """The e-mail of an offer; for a fax gateway the PDF alone, which is the first of `files`."""
    message = EmailMessage(OFFER_POLICY)
    message["From"] = Address(one_line(sender.name), addr_spec=sender.address)
    if sender.reply_to:
        author = Address(one_line(sender.name), addr_spec=sender.reply_to)
        message["Reply-To"] = (author, Address(addr_spec=sender.address)) if sender.we_read else (author,)
    message["Subject"] = one_line(offer.subject)
    message["Date"] = mail_date(offer.queued_at)
    message["Message-ID"] = message_id(offer.key, sender.address)
    if offer.channel is Channel.FAX:
        message.set_content("", cte="base64")
        files = files[:1]
    else:
        message["To"] = Address(addr_spec=offer.address)
        reader = sender.address if sender.we_read else sender.reply_to or sender.address
        message[_UNSUBSCRIBE_HEADER] = f"<mailto:{reader}?subject={_UNSUBSCRIBE}%20{offer.key}>"
        end = speech.gettext("If you want no letters from us, answer so, and you get none.")
        message.set_content(f"{offer.body}\n\n-- \n{end}\n", cte="base64")
        message.add_alternative(_html(offer, end, speech), subtype="html", cte="base64")
    for file in files:
        kind, _, subtype = (mimetypes.guess_type(file.name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(file.content, kind, subtype, cte="base64", filename=one_line(file.name))
    for number, part in enumerate(each for each in message.walk() if each.is_multipart()):
        part.set_boundary(f"={offer.key}.{number}")  # otherwise it is drawn by lot
    return message


def message_id(key: str, sender: str) -> str:
    """By which an offer is found again in a mail server's log."""
    return f"<{key}@{sender.rpartition('@')[2]}>"


def _html(offer: Offer, end: str, speech: Words) -> str:
    paragraphs = "".join(f"<p>{escape(each).replace(chr(10), '<br>')}</p>" for each in offer.body.split("\n\n"))
    return (
        f'<!doctype html><html lang="{speech.language}"><head><meta charset="utf-8">'
        f"<title>{escape(offer.subject)}</title></head><body>{paragraphs}<p><small>{escape(end)}</small></p></body></html>"
    )
