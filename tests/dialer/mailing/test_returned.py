"""What a message in the mailbox is, and which offers it names: as servers, people and attackers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.offers.incoming import LONGEST_LINE, LONGEST_TEXT, Arrived, IncomingKind
from dialer.mailing.returned import FaxNotices, understood
from tests.crm.builders import NOON
from tests.dialer.mailing.returned_mails import (
    IN_RUSSIAN,
    KEY,
    OURS,
    QMAIL,
    RETRYING,
    SHOWN,
    fax_notice,
    letter,
    report,
)

FAX = FaxNotices("fax.example", "delivered|доставлен", "not delivered|busy|не доставлен")


def read(content: bytes) -> Arrived:
    return understood(content, came_at=NOON, fax=FAX)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (report("failed", "5.1.1"), IncomingKind.BOUNCED),
        (report("failed", "4.4.7"), IncomingKind.BOUNCED),  # tried for days, and given up
        (report("delayed", "4.4.1"), IncomingKind.DELAYED),
        (report("delivered", "2.0.0"), IncomingKind.DELIVERED),
        (report("relayed", "2.1.9"), IncomingKind.DELIVERED),
        (QMAIL, IncomingKind.BOUNCED),
        (IN_RUSSIAN, IncomingKind.BOUNCED),
        (RETRYING, IncomingKind.DELAYED),
        (SHOWN, IncomingKind.AUTOMATIC),
        (letter(), IncomingKind.REPLY),
        (letter(thread=f"References: <other@example.ru>\n {OURS}\n"), IncomingKind.REPLY),
        (letter(headers="Auto-Submitted: auto-replied\n", subject="Out of office"), IncomingKind.AUTOMATIC),
        (letter(headers="Auto-Submitted: no\n"), IncomingKind.REPLY),
        (letter(headers="X-Autoreply: yes\n"), IncomingKind.AUTOMATIC),
        (letter(headers="Precedence: auto_reply\n"), IncomingKind.AUTOMATIC),
        (letter(headers="X-Auto-Response-Suppress: All\n"), IncomingKind.REPLY),  # an Exchange user's own letter
        (letter(subject=f"unsubscribe {KEY}", thread=""), IncomingKind.NO_MORE),
        (letter(subject=f"Unsubscribe_{KEY.upper()}", thread=""), IncomingKind.NO_MORE),
        (letter(subject="unsubscribe"), IncomingKind.REPLY),  # whose? a person reads it
    ],
)  # fmt: skip
def test_it_is_known_for_what_it_is_and_whose(content: bytes, kind: IncomingKind) -> None:
    found = read(content)
    assert (found.kind, found.keys[:1]) == (kind, (KEY,))


@pytest.mark.parametrize(
    ("subject", "body", "kind"),
    [
        ("Fax to 73421234567: delivered", "Pages: 2", IncomingKind.DELIVERED),
        ("Факс на +7 (342) 123-45-67 не доставлен", "Занято", IncomingKind.BOUNCED),
        ("Fax 7-342-123-45-67", "not delivered: line is busy", IncomingKind.BOUNCED),
        ("Fax 73421234567 accepted", "", IncomingKind.AUTOMATIC),
    ],
)
def test_a_notice_of_the_fax_gateway_names_the_number(subject: str, body: str, kind: IncomingKind) -> None:
    found = read(fax_notice(subject, body))
    assert (found.kind, found.faxed_to) == (kind, ("73421234567",))
    other = read(fax_notice(subject, body, sender="somebody@evil.example"))
    assert (other.faxed_to, other.keys) == ((), ()), "numbers are believed of the gateway alone"


def test_a_stranger_who_does_not_know_the_key_names_no_offer() -> None:
    assert read(letter(thread="In-Reply-To: <1@example.ru>\n", body=f"about {OURS}")).keys == ()
    assert read(report("failed", "5.1.1", quoted="Subject: Offer\n")).keys == ()


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r"])
def test_a_charset_that_nobody_names_is_guessed(charset: str) -> None:
    text = "Добрый день! Спасибо за предложение, позвоните мне, пожалуйста, в понедельник после обеда."
    found = read(letter(body=text, kind="text/plain", encoding=charset))
    assert found.body == text


def test_of_html_the_words_stay() -> None:
    html = "<html><head><title>x</title></head><body><p>Да,&nbsp;звоните</p><script>alert(1)</script>Иван</body></html>"
    found = read(letter(body=html, kind="text/html; charset=utf-8"))
    assert found.body.split() == ["Да,", "звоните", "Иван"]


def test_what_is_too_long_is_cut_and_nuls_go() -> None:
    found = read(letter(subject="S" * 5_000, body="\0" + "б" * 2_000_000))
    assert (len(found.subject), len(found.body)) == (LONGEST_LINE, LONGEST_TEXT)
    assert "\0" not in found.body


def test_parts_within_parts_without_end_are_left() -> None:
    deep = letter(thread="", body="x")
    for _ in range(400):
        deep = b"MIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + deep
    assert read(deep).kind is IncomingKind.REPLY
    wide = "".join(f"--B\nContent-Type: text/x{number}\n\nx\n" for number in range(5_000))
    assert read(letter(kind='multipart/mixed; boundary="B"', body=f"{wide}--B--")).keys == (KEY,)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_whatever_the_bytes_are_something_is_understood(head: bytes, body: bytes) -> None:
    found = read(head + b"\n" + report("failed", "5.0.0")[:300] + b"\n\n" + body)
    assert "\0" not in found.sender + found.subject + found.body
    (found.sender + found.subject + found.body).encode()  # no half of a surrogate pair: PostgreSQL takes none


POISON = {
    "a charset that decodes nothing": b"Content-Type: text/plain; charset=undefined\n\nhello\n",
    "a charset with a NUL": b"Content-Type: text/plain; charset*=utf-8''a%00b\n\nhello\n",
    "a charset of Python": b"Content-Type: text/plain; charset=unicode_escape\n\n\\ud800 hello\n",
    "half a pair in UTF-7": b"Content-Type: text/plain; charset=utf-7\n\n+2AA- hello\n",
    "punycode": b"Content-Type: text/plain; charset=punycode\n\n\xff\xfe-hello\n",
    "a file name that decodes to nothing":
        b"Content-Type: text/plain\nContent-Disposition: attachment; filename*=undefined''x%ff\n\nhello\n",
    "a boundary that decodes to nothing": b"Content-Type: multipart/mixed; boundary*0*=undefined''x\n\nhello\n",
    "a subject of Python": b"Subject: =?unicode_escape?q?=5Cud800?= hello\n\nhello\n",
    "recipients that decode to nothing": b"X-Failed-Recipients: =?undefined?q?abc?=\n\nhello\n",
    "parts without end": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"".join(
        b"--%s\nContent-Type: multipart/mixed; boundary=%sa\n\n" % (b"a" * deep, b"a" * deep) for deep in range(1, 99)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POISON)
def test_no_message_keeps_those_behind_it_from_being_read(name: str) -> None:
    found = read(b"From: a@b.example\n" + POISON[name])
    (found.sender + found.subject + found.body).encode()  # a database takes no half pairs
    assert "hello" in found.body or b"multipart" in POISON[name]


def test_what_no_reader_of_ours_foresaw_is_a_message_of_no_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(_: object) -> str:
        raise RuntimeError("a fault of the library")

    monkeypatch.setattr("dialer.mailing.returned._text_of", trip)
    found = read(letter())
    assert (found.kind, found.keys, found.body) == (IncomingKind.AUTOMATIC, (), "")
