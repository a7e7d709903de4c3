"""Checks of single values. Each returns the value, tidied, or raises an error that `config.advice` puts into words."""

from __future__ import annotations

import ipaddress
import re
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from pydantic_core import PydanticCustomError

from config.advice import ADVICE

Text = TypeVar("Text", bound=str)

_HOST_NAME = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$")
_DATABASE_SCHEMES = ("sqlite", "sqlite+aiosqlite", "postgres", "postgresql", "postgresql+asyncpg")


def wrong(code: str, **params: str) -> PydanticCustomError:
    """The error whose words are `ADVICE[code]`."""
    return PydanticCustomError(code, ADVICE[code], dict(params))


def time_zone(value: str) -> str:
    """An IANA name of a time zone."""
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError):
        raise wrong("time_zone", like=closest(value, available_timezones()) or "Europe/Moscow") from None


def sip_host(value: str) -> str:
    """A host name or an IP address, without port or scheme; "" passes."""
    if not value:
        return value
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        pass
    numeric = re.fullmatch(r"[0-9.]+", value)
    if numeric or not _HOST_NAME.match(value):
        raise wrong("host")
    return value


def own_address(value: str) -> str:
    """An IP address; "" passes. A name cannot be bound, and in a session description few far ends understand one."""
    try:
        return str(ipaddress.ip_address(value.strip("[]"))) if value else value
    except ValueError:
        raise wrong("address") from None


def database_url(value: str) -> str:
    """A URL of one of the two databases; "" passes."""
    if not value:
        return value
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _DATABASE_SCHEMES:
        raise wrong("database_url")
    if scheme.startswith("sqlite"):
        if len(rest) < 2 or not rest.startswith("/"):
            raise wrong("database_url")
    elif not urlsplit(value).hostname and "host=" not in value:
        raise wrong("database_url")
    return value


def web_address(value: str) -> str:
    """`https://host[:port]`; "" passes. A slash at the end is dropped."""
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise wrong("web_address")
    return value.rstrip("/")


def calling_prefix(value: str) -> str:
    """`+` and digits."""
    if not re.fullmatch(r"\+[0-9]{1,15}", value):
        raise wrong("prefix")
    return value


def region(value: str) -> str:
    """A country that numbers can be read for."""
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise wrong("region")
    return value


def expression(value: str) -> str:
    """A regular expression; "" passes."""
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong("expression", reason=str(error)) from None
    return value


def different(values: tuple[Text, ...]) -> tuple[Text, ...]:
    """No value twice."""
    if len(set(values)) != len(values):
        raise wrong("twice")
    return values


def closest(word: str, known: set[str] | list[str]) -> str:
    """The known word most like `word`, or "" if none is alike."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    found = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else ""
