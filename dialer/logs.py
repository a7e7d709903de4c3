"""Logs: one line for each transition, readable on a terminal, JSON elsewhere, telephone numbers and secrets masked."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

MASK: Final = "***"

_SECRET_WORDS: Final = ("password", "secret", "authorization", "token", "ha1", "cookie", "csrf")
_NUMBER_KEYS: Final = frozenset({"number", "phone", "dialled", "e164", "caller", "callee"})

# A run of eight digits or more that is no part of a longer word (the hex of a Call-ID must stay readable), or a number
# written with spaces, brackets, hyphens and points after a plus, the Russian 7 or 8, or with its area code in brackets.
_PHONE = re.compile(
    r"(?<![\w.])\+?\d{8,}(?!\w)"
    r"|\+\d(?:[ ().\-]{0,2}\d){7,}"
    r"|(?<![\w.:+-])[78](?:[ ()\-]{0,2}\d){10}(?!\w)"
    r"|(?<!\w)\(\d{3,5}\)(?:[ \-]?\d){5,7}(?!\w)"
)
_SECRET_IN_TEXT = re.compile(
    r"(?i)(?<![a-z])(password|passwd|pwd|secret|token|ha1|response|nonce)(\"?\s*[=:]\s*)(\"[^\"]*\"|[^\s,;&\"]+)"
)
_AUTHORIZATION_IN_TEXT = re.compile(r"(?im)\b((?:proxy-)?authorization\s*:\s*)[^\r\n]*")
# What a terminal obeys: escape sequences and carriage returns, in eight bits as well, and changes of direction. Names
# and paths in log lines come from strangers.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PASSWORD_IN_URL = re.compile(
    r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}:)[^\s/@]{1,500}(?=@)", re.IGNORECASE
)
_QUIET: Final = ("aiohttp.access", "alembic", "apscheduler", "asyncio", "sqlalchemy")


def configure_logging(level: Level, fmt: Format, stream: TextIO) -> None:
    """Send every log line of structlog and of the standard library to `stream`.

    "auto" writes for people if `stream` is a terminal, and one JSON object a line if it is none. May be called again;
    the last call holds.
    """
    for_people = fmt == "console" or (fmt == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
        if for_people
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask,
            renderer,
        ],
    )
    handler = _LogHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(level.upper() if level in ("debug", "error") else logging.WARNING)


class _LogHandler(logging.StreamHandler[TextIO]):
    """Says once on standard error that lines cannot be written: the log may be a file on a disk that is full, and the
    usual traceback for every line would bury whatever else a terminal or a journal has to show."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if self._told or sys.stderr is None:
            return
        self._told = True
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"The log cannot be written: {error.strerror or error}.\n")
            sys.stderr.flush()


def mask(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hide secrets, and all but the last two digits of telephone numbers."""
    return {key: _masked(key, value) for key, value in event_dict.items()}


def _masked(key: str, value: object) -> object:
    lowered = key.lower()
    if any(word in lowered for word in _SECRET_WORDS):
        return MASK if value else value
    if isinstance(value, Mapping):
        return {name: _masked(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(key, part) for part in value]
    if value is None or isinstance(value, bool | float):
        return value
    if lowered in _NUMBER_KEYS:
        return _hide_digits(str(value))
    if isinstance(value, int):
        return value
    if isinstance(value, bytes):
        return masked_text(value.decode("utf-8", "backslashreplace"))
    return masked_text(str(value))


def masked_text(text: str) -> str:
    """`text` without passwords and control characters, and with telephone numbers cut to their last two digits."""
    text = _AUTHORIZATION_IN_TEXT.sub(rf"\1{MASK}", text)
    text = _SECRET_IN_TEXT.sub(rf"\1\2{MASK}", text)
    text = _PASSWORD_IN_URL.sub(rf"\1{MASK}", text)
    text = _PHONE.sub(lambda found: _hide_digits(found[0]), text)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _hide_digits(number: str) -> str:
    digits = [position for position, letter in enumerate(number) if letter.isdigit()]
    hidden = set(digits[:-2])
    return "".join("*" if position in hidden else letter for position, letter in enumerate(number))
