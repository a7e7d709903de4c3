"""Messages as they go out: text for people, and the calendar entry (RFC 5545, 5546, 6047) that programs take.

All of a message comes from its row, so that a repetition is the same to the letter.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime as mail_date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from icalendar import Calendar, Event, vCalAddress, vText

from crm.care.personal import ERASED
from crm.mail.outbox import OutgoingMail, Purpose
from dialer.mailing.time_zone_rules import time_zone_rules
from dialer.words import Words, as_language, words

LASTS: Final = timedelta(minutes=15)  # a promise that is kept is kept within them
OUR_NAME: Final = "Dialer"
_ENTRY: Final = "callback.ics"
# Headers of seven bits in lines that every server takes.
POLICY: Final = SMTP.clone(cte_type="7bit")


def compose(mail: OutgoingMail, *, sender: str, public_url: str) -> EmailMessage:
    """The message of a row. `sender` is our address; `public_url` the console's, or "" for no link."""
    speech = words(as_language(mail.language))
    company, lines = one_line(mail.organisation), _lines(mail, speech, public_url)
    message = EmailMessage(POLICY)
    message["From"] = Address(OUR_NAME, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.address)
    message["Subject"] = one_line(_subject(mail, speech, company))
    message["Date"] = mail_date(mail.created_at)
    message["Message-ID"] = f"<{mail.key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office note answers it
    message.set_content("\n".join([f"{_what(mail, speech)}.", "", *lines]) + "\n", cte="base64")
    entry = calendar_entry(mail, speech, sender=sender, lines=lines, link=_link(mail, public_url))
    method = "REQUEST" if mail.purpose is Purpose.PUT_IN else "CANCEL"
    message.add_alternative(entry, "text", "calendar", cte="base64", params={"method": method, "charset": "utf-8"})
    message.add_attachment(entry, "application", "ics", cte="base64", filename=_ENTRY)
    for number, part in enumerate(each for each in message.walk() if each.is_multipart()):
        part.set_boundary(f"={mail.key}.{number}")  # otherwise it is drawn by lot
    return message


def calendar_entry(mail: OutgoingMail, speech: Words, *, sender: str, lines: list[str], link: str) -> bytes:
    """The entry as iCalendar; its moment is the promise's, on the client's clock."""
    zone = ZoneInfo(mail.time_zone)
    event = Event()
    event.add("uid", str(UUID(mail.uid)))
    event.add("sequence", mail.sequence)
    event.add("dtstamp", mail.created_at)
    event.add("dtstart", mail.due_at.astimezone(zone))
    event.add("duration", LASTS)
    event.add("summary", _title(mail, speech))
    event.add("description", "\n".join(lines))
    event.add("status", "CONFIRMED" if mail.purpose is Purpose.PUT_IN else "CANCELLED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    if link:
        event.add("url", link)
    organiser = vCalAddress(f"mailto:{sender}")
    organiser.params["CN"] = vText(OUR_NAME)
    event.add("organizer", organiser, encode=False)
    attendee = vCalAddress(f"mailto:{mail.address}")
    attendee.params.update({"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION", "RSVP": "FALSE"})
    event.add("attendee", attendee, encode=False)
    calendar = Calendar()
    calendar.add("prodid", "-//dialer//callbacks//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST" if mail.purpose is Purpose.PUT_IN else "CANCEL")
    if zone.key != "UTC":
        calendar.add_component(time_zone_rules(zone, mail.due_at))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def probe(*, sender: str, address: str, speech: Words, now: datetime, key: str) -> EmailMessage:
    """A message that says only that messages arrive."""
    message = EmailMessage(POLICY)
    message["From"] = Address(OUR_NAME, addr_spec=sender)
    message["To"] = Address(addr_spec=address)
    message["Subject"] = speech.gettext("A test message of the dialer")
    message["Date"] = mail_date(now)
    message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    text = speech.gettext("If you read this, callbacks will come by e-mail to whoever wants them.")
    message.set_content(text + "\n", cte="base64")
    return message


def _title(mail: OutgoingMail, speech: Words) -> str:
    parts = [part for part in (_shown(mail.organisation), _shown(mail.person)) if part]
    return speech.gettext("Call back: {whom}", whom=", ".join(parts) or speech.gettext("a client"))


def _subject(mail: OutgoingMail, speech: Words, company: str) -> str:
    whom = _shown(company) or speech.gettext("a client")
    when = _when(mail, speech)
    if mail.purpose is Purpose.TAKE_OUT:
        return speech.gettext("Not to be called any more: {whom}, {when}", whom=whom, when=when)
    if mail.sequence:
        return speech.gettext("Changed: call back {whom}, {when}", whom=whom, when=when)
    return speech.gettext("Call back: {whom}, {when}", whom=whom, when=when)


def _what(mail: OutgoingMail, speech: Words) -> str:
    if mail.purpose is Purpose.TAKE_OUT:
        return speech.gettext("This call is not yours to make any more")
    return speech.gettext(
        "You are to call on {when} (the client's clock, {zone})", when=_when(mail, speech), zone=mail.time_zone
    )


def _lines(mail: OutgoingMail, speech: Words, public_url: str) -> list[str]:
    told = [
        (speech.gettext("Client"), _shown(mail.organisation)),
        (speech.gettext("Who asked"), _shown(mail.person)),
        (speech.gettext("In their words"), _shown(mail.words)),
        (speech.gettext("Client's page"), _link(mail, public_url)),
    ]
    return [f"{label}: {text}" for label, text in told if text]


def _when(mail: OutgoingMail, speech: Words) -> str:
    local = mail.due_at.astimezone(ZoneInfo(mail.time_zone))
    return format_datetime(local, "EEE d MMMM, HH:mm", tzinfo=local.tzinfo, locale=speech.locale)


def _link(mail: OutgoingMail, public_url: str) -> str:
    return f"{public_url}/clients/{mail.client_id}" if public_url else ""


def _shown(text: str) -> str:
    return "" if text == ERASED else one_line(text)


def one_line(text: str) -> str:
    """Without line breaks and other control characters: what people typed is no header of ours. Encoded words
    (RFC 2047) are broken up: the library reads them in what it is given, line breaks and all."""
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text)
    return " ".join(plain.replace("=?", "= ?").split())
