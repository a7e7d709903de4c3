"""Messages: the calendar entry read again, its moment around clock changes, and nothing of a stranger's in headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar, Component

from crm.care.personal import ERASED
from crm.mail.outbox import OutgoingMail, Purpose
from crm.time_zones import instant
from dialer.mailing.messages import POLICY, compose
from dialer.mailing.time_zone_rules import time_zone_rules
from tests.crm.builders import wall
from tests.dialer.mailing.conftest import WRITTEN, entry_of, start_of

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca",
    "Asia/Yekaterinburg", "America/St_Johns", "Asia/Kathmandu",
)  # fmt: skip


def mail(**more: object) -> OutgoingMail:
    zone = str(more.get("time_zone", "Asia/Yekaterinburg"))
    local_at = more.get("local_at", wall("2026-11-25T11:00"))
    assert isinstance(local_at, datetime)
    fields: dict[str, object] = {
        "purpose": Purpose.PUT_IN, "user_id": 1, "address": "anna@example.ru", "language": "ru", "uid": "0f" * 16,
        "sequence": 0, "key": "ab" * 16, "client_id": 7, "organisation": "Северный ветер", "person": "Петрова Анна",
        "words": "в среду в 11", "local_at": local_at, "time_zone": zone, "due_at": instant(local_at, zone),
        "created_at": WRITTEN,
    }  # fmt: skip
    return OutgoingMail(**fields | more)


def read(message: EmailMessage) -> EmailMessage:
    """As it arrives."""
    arrived = message_from_bytes(message.as_bytes(policy=POLICY), policy=default)
    assert isinstance(arrived, EmailMessage)
    return arrived


def composed(public_url: str = "https://dialer.example.ru", **more: object) -> EmailMessage:
    return read(compose(mail(**more), sender="dialer@example.ru", public_url=public_url))


def text_of(message: EmailMessage) -> str:
    (part,) = [each for each in message.walk() if each.get_content_type() == "text/plain"]
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def ics_of(message: EmailMessage) -> bytes:
    (file,) = [each for each in message.walk() if each.get_content_type() == "application/ics"]
    payload = file.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def by_its_own_rules(calendar: Component, local: datetime) -> datetime:
    """The moment in UTC of `local` by the VTIMEZONE alone, as a reader that knows no zones by name works it out: of the
    offsets that hold, the one whose observance is in force at the moment which it leads to."""
    (rules,) = calendar.walk("VTIMEZONE")
    begun: list[tuple[datetime, timedelta]] = sorted(
        (part.decoded("DTSTART") - part.decoded("TZOFFSETFROM"), part.decoded("TZOFFSETTO"))
        for part in rules.subcomponents
    )
    fitting = [
        local - offset
        for index, (since, offset) in enumerate(begun)
        if local - offset >= since and (index + 1 == len(begun) or local - offset < begun[index + 1][0])
    ]
    return min(fitting).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone_name", ZONES)
def test_the_moment_is_right_around_every_clock_change_of_a_year(zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    hours = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(365 * 48))
    changes, before = [], None
    for at in hours:
        if before is not None and at.astimezone(zone).utcoffset() != before:
            changes.append(at)
        before = at.astimezone(zone).utcoffset()
    assert len(changes) == (0 if zone_name in ("Asia/Yekaterinburg", "Asia/Kathmandu") else 2)
    for change in changes or [WRITTEN]:
        for minutes in range(-90, 91, 30):
            due = change + timedelta(minutes=minutes)
            wanted = due.astimezone(zone).replace(tzinfo=None)
            letter = composed(time_zone=zone_name, local_at=wanted)
            expected = instant(wanted, zone_name)
            _, event = entry_of(letter)
            assert start_of(event).replace(tzinfo=None) == wanted
            assert start_of(event).astimezone(UTC) == expected
            assert event["DTSTART"].params["TZID"] == zone_name
            assert by_its_own_rules(Calendar.from_ical(ics_of(letter)), wanted) == expected


def test_a_time_that_is_skipped_is_the_first_moment_after_it() -> None:
    _, event = entry_of(composed(time_zone="Europe/Berlin", local_at=wall("2027-03-28T02:30")))
    assert start_of(event).replace(tzinfo=None) == wall("2027-03-28T03:00")


def test_a_change_begins_on_the_clock_before_it() -> None:
    rules = time_zone_rules(ZoneInfo("Europe/Berlin"), datetime(2026, 6, 1, tzinfo=UTC))
    begun = {str(part.decoded("DTSTART")): (part.name, part.decoded("TZOFFSETTO")) for part in rules.subcomponents[1:]}
    assert begun["2026-03-29 02:00:00"] == ("DAYLIGHT", timedelta(hours=2))
    assert begun["2026-10-25 03:00:00"] == ("STANDARD", timedelta(hours=1))


def test_what_is_in_it_and_what_is_not() -> None:
    letter = composed()
    method, event = entry_of(letter)
    assert (method, str(event["SUMMARY"])) == ("REQUEST", "Перезвонить: Северный ветер, Петрова Анна")
    assert str(event["URL"]) == "https://dialer.example.ru/clients/7"
    assert "Как договорились: в среду в 11" in str(event["DESCRIPTION"])
    assert str(event["UID"]) == "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"
    assert (str(event["ORGANIZER"]), str(event["CLASS"])) == ("mailto:dialer@example.ru", "PRIVATE")
    assert letter["Message-ID"] == f"<{'ab' * 16}@example.ru>"
    assert "Вам нужно позвонить: ср 25 ноября, 11:00 (по часам клиента, Asia/Yekaterinburg)." in text_of(letter)
    _, bare = entry_of(composed(public_url="", person="", words=""))
    assert "URL" not in bare
    assert str(bare["DESCRIPTION"]) == "Клиент: Северный ветер"


def test_in_english_for_who_reads_english() -> None:
    letter = composed(language="en", sequence=2)
    assert letter["Subject"] == "Changed: call back Северный ветер, Wed 25 November, 11:00"
    letter = composed(language="en", purpose=Purpose.TAKE_OUT, sequence=3)
    method, event = entry_of(letter)
    assert (method, str(event["STATUS"]), event["SEQUENCE"]) == ("CANCEL", "CANCELLED", 3)
    assert letter["Subject"] == "Not to be called any more: Северный ветер, Wed 25 November, 11:00"


def test_the_erased_are_not_named() -> None:
    letter = composed(person=ERASED, words=ERASED, organisation=ERASED)
    _, event = entry_of(letter)
    assert ERASED not in letter["Subject"] + text_of(letter) + str(event["SUMMARY"]) + str(event["DESCRIPTION"])
    assert str(event["SUMMARY"]) == "Перезвонить: клиент"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\0\r\n"])
def test_names_make_no_headers_and_no_lines_of_the_calendar(end: str) -> None:
    evil = f"Ветер{end}Bcc: all@example.ru{end}ATTENDEE:mailto:all@example.ru{end}{end}<b>hello</b>"
    letter = composed(organisation=evil, person=evil, words=evil)
    assert letter["Bcc"] is None
    assert letter["Subject"].startswith("Перезвонить: Ветер Bcc: all@example.ru ATTENDEE")
    _, event = entry_of(letter)
    assert str(event["ATTENDEE"]) == "mailto:anna@example.ru"
    payload = ics_of(letter).decode()
    assert [line for line in payload.split("\r\n") if line.startswith(("ATTENDEE", "Bcc"))][1:] == []
    assert "\n" not in payload.replace("\r\n", "")


def test_the_same_row_makes_the_same_message() -> None:
    assert composed().as_bytes() == composed().as_bytes()


def test_a_very_long_name_breaks_no_line_limit() -> None:
    raw = compose(mail(organisation="Ветер" * 400), sender="dialer@example.ru", public_url="").as_bytes(policy=POLICY)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()


def test_encoded_words_in_a_name_are_no_headers() -> None:
    hostile = "=?utf-8?q?x=0D=0AX-Injected:=20yes?="
    told = mail(organisation=hostile, person=hostile, language="en")
    message = compose(told, sender="dialer@example.ru", public_url="")
    raw = message.as_bytes(policy=POLICY)
    read = message_from_bytes(raw, policy=default)
    assert read["X-Injected"] is None
    assert b"\r\nX-Injected" not in raw
