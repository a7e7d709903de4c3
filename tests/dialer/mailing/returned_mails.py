"""Messages as servers, machines and people send them back to an offer; written here after what such programs do."""

from __future__ import annotations

from typing import Final

KEY: Final = "0123456789abcdef0123456789abcdef"
OURS: Final = f"<{KEY}@example.ru>"
_QUOTED: Final = f"""\
From: Anna <dialer@example.ru>
To: klient@example.ru
Subject: =?utf-8?b?0J/RgNC10LTQu9C+0LbQtdC90LjQtQ==?=
Message-ID: {OURS}
"""


def report(action: str, code: str, *, quoted: str = _QUOTED, sender: str = "MAILER-DAEMON@mx.example.ru") -> bytes:
    """A report of delivery (RFC 3464) with what was sent in it."""
    return f"""\
Return-Path: <>
From: Mail Delivery System <{sender}>
To: dialer@example.ru
Subject: Delivery report
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=utf-8

This is the mail system at host mx.example.ru.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.ru

Final-Recipient: rfc822; klient@example.ru
Action: {action}
Status: {code}
Diagnostic-Code: smtp; 550 5.1.1 No such user

--B
Content-Type: text/rfc822-headers

{quoted}
--B--
""".encode()


def letter(
    *, subject: str = "Re: Offer", headers: str = "", body: str = "Thank you, call me on Monday.",
    sender: str = "Klient <klient@example.ru>", thread: str = f"In-Reply-To: {OURS}\n",
    kind: str = "text/plain; charset=utf-8", encoding: str = "utf-8",
) -> bytes:  # fmt: skip
    """What somebody, or a machine of theirs, writes."""
    head = f"From: {sender}\nTo: dialer@example.ru\nSubject: {subject}\n{thread}{headers}"
    return f"{head}MIME-Version: 1.0\nContent-Type: {kind}\n\n{body}\n".encode(encoding)


QMAIL: Final = f"""\
Return-Path: <>
From: MAILER-DAEMON@mail.example.ru
To: dialer@example.ru
Subject: failure notice

Hi. This is the qmail-send program at mail.example.ru.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<klient@example.ru>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{_QUOTED}
""".encode()

IN_RUSSIAN: Final = f"""\
From: Почтовая служба <mailer-daemon@corp.example.ru>
To: dialer@example.ru
Subject: Недоставленное сообщение
Content-Type: text/plain; charset=utf-8

Ваше письмо не может быть доставлено: ящик переполнен.

{_QUOTED}
""".encode()

RETRYING: Final = f"""\
From: postmaster@mx.example.ru
To: dialer@example.ru
Subject: Warning: could not send message for past 4 hours
Content-Type: text/plain

THIS IS A WARNING MESSAGE ONLY. The server will retry for 5 days.

{_QUOTED}
""".encode()

SHOWN: Final = f"""\
From: klient@example.ru
To: dialer@example.ru
Subject: Read: Offer
In-Reply-To: {OURS}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="B"

--B
Content-Type: text/plain

Your message was displayed.

--B
Content-Type: message/disposition-notification

Final-Recipient: rfc822; klient@example.ru
Original-Message-ID: {OURS}
Disposition: manual-action/MDN-sent-manually; displayed

--B--
""".encode()


def fax_notice(subject: str, body: str, *, sender: str = "gateway@fax.example") -> bytes:
    return f"From: {sender}\nTo: dialer@example.ru\nSubject: {subject}\n\n{body}\n".encode()
