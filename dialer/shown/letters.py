"""The e-mails and faxes to a client, as its page shows them: when, how, by whom, what; and which do not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.letters import LetterRow, letters_of
from dialer.shown.formats import moment
from dialer.shown.labels import CHANNELS
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """One letter in words. `withdrawn`: by whom and why it does not count, "" if it does."""

    id: int
    when: str
    how: str
    sender: str
    note: str
    withdrawn: str


async def read_letters(session: AsyncSession, words: Words, zone: tzinfo, *, client_id: int) -> list[ShownLetter]:
    """All that were noted, the newest first."""
    return [
        ShownLetter(
            id=row.id,
            when=moment(words, row.sent_at, zone),
            how=words.gettext(CHANNELS[row.channel.value]),
            sender=row.sender,
            note=row.note,
            withdrawn=_withdrawn(words, row),
        )
        for row in await letters_of(session, client_id)
    ]


def _withdrawn(words: Words, row: LetterRow) -> str:
    if row.withdrawn_at is None:
        return ""
    if row.withdrawer:
        return words.gettext("withdrawn by {name}: {reason}", name=row.withdrawer, reason=row.withdraw_reason)
    return words.gettext("withdrawn: {reason}", reason=row.withdraw_reason)
