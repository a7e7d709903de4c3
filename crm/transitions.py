"""One log line for each state that changes in the database: written when the change is committed, and never of a
change that was rolled back."""

from __future__ import annotations

from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

_NOTED: Final = "transitions"

log = structlog.get_logger("crm")


def note(session: AsyncSession, what: str, *, was: str, on: str, now: str, **labels: Any) -> None:
    """Remember for the log that `what` went from `was` to `now` because of `on`. Hand in no names and no numbers: `on`
    and the labels are keys, codes and ids; a label that is `None` is left out."""
    known = {name: value for name, value in labels.items() if value is not None}
    session.info.setdefault(_NOTED, []).append((what, known | {"was": was, "on": on, "now": now}))


def tell(session: AsyncSession) -> None:
    """Write what was noted; the transaction has been committed."""
    for what, fields in session.info.pop(_NOTED, ()):
        log.info(what, **fields)
