"""The part of `dialer check` about e-mail: can the mail server be reached, and does anything wait in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.settings import Settings
from crm.database import Database
from dialer.cli.mail import who_waits
from dialer.crm_words import in_language
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import advice_for

if TYPE_CHECKING:
    from dialer.cli.check import Report


async def check_mail(settings: Settings, database: Database | None, report: Report) -> None:
    """Nothing is said where no server is set up and nobody wants mail."""
    words = report.terminal.words
    readers, counts = await who_waits(database) if database is not None else (0, None)
    if settings.mail.host:
        await _check_server(settings, report)
    elif readers:
        report.note(
            words.ngettext(
                "mail: {n} user wants callbacks by e-mail, but no mail server is set up",
                "mail: {n} users want callbacks by e-mail, but no mail server is set up",
                readers,
            )
        )
    if counts is not None and counts.failed:
        report.trouble(
            words.ngettext("mail: {n} message was given up", "mail: {n} messages were given up", counts.failed),
            words.gettext("`dialer mail list --state failed` says why; `dialer mail retry --all` tries them again."),
        )


async def _check_server(settings: Settings, report: Report) -> None:
    words, mail = report.terminal.words, settings.mail
    try:
        async with Postman(mail) as postman:
            await postman.connect()
    except MailTrouble as trouble:
        advice = advice_for(trouble.reason)
        reason = in_language(words, trouble.reason)
        report.trouble(words.gettext("mail: {reason}", reason=reason), words.gettext(advice) if advice else "")
        return
    report.good(words.gettext("mail: {address} answers", address=f"{mail.host}:{mail.port}"))
