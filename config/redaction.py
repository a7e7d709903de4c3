"""Settings that may be read by whoever has a backup: written anew from what is known to be no secret."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

from pydantic import SecretStr

from config.reading import each_field
from config.settings import Settings

_SQLITE_URL: Final = re.compile(r"(sqlite(?:\+aiosqlite)?:///[^?]*)(?:\?.*)?", re.DOTALL)
_SERVER_URL: Final = re.compile(
    r"(?P<scheme>(?:postgresql|postgres)(?:\+\w+)?://)"
    r"(?:(?P<user>[\w.%+-]*)(?::[^@/?#\s]*)?@)?"
    r"(?P<host>[\w.-]*(?::\d+)?|\[[0-9a-fA-F:.]+\](?::\d+)?)"
    r"/(?P<name>[\w.-]*)(?:\?(?P<query>[^#\s]*))?",
    re.ASCII,
)
_HARMLESS_PARAMETER: Final = re.compile(r"(?:host|port|ssl|sslmode)=[\w./-]*", re.ASCII)


def without_secrets(text: str) -> str:
    """The settings of a TOML file with every password in it made empty: known settings alone, without comments, where
    anything may stand. A database URL of which it is not plain where its password begins and ends is left out."""
    tables = tomllib.loads(text)
    written: dict[str, list[str]] = {}
    for section, key, field in each_field(Settings):
        table = tables.get(section)
        if not isinstance(table, dict) or key not in table:
            continue
        value = "" if field.annotation is SecretStr else table[key]
        if (section, key) == ("database", "url"):
            value = _plain_url(str(value))
        if (said := _as_toml(value)) is not None:
            written.setdefault(section, []).append(f"{key} = {said}")
    return "\n".join(f"[{section}]\n" + "".join(f"{line}\n" for line in lines) for section, lines in written.items())


def _plain_url(url: str) -> str:
    if of_file := _SQLITE_URL.fullmatch(url):
        return of_file[1]
    of_server = _SERVER_URL.fullmatch(url)
    if of_server is None:
        return ""
    user = f"{of_server['user']}@" if of_server["user"] else ""
    kept = "&".join(each for each in (of_server["query"] or "").split("&") if _HARMLESS_PARAMETER.fullmatch(each))
    return f"{of_server['scheme']}{user}{of_server['host']}/{of_server['name']}" + (f"?{kept}" if kept else "")


def _as_toml(value: Any) -> str | None:
    """A value as TOML writes it, `None` for what no setting can be."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(said for each in value if (said := _as_toml(each)) is not None) + "]"
    return None
