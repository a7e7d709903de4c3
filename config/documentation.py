"""The documentation of the settings, made from the models: `docs/settings.md` and `config/example.toml`.

`make docs` writes both; a test fails when they are stale.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

from annotated_types import Ge, Le, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.reading import each_field, literal_choices, section_model
from config.sections import Unit
from config.settings import Settings

EXAMPLE = Path(__file__).parent / "example.toml"
# No line can be guessed, so [trunk] stands in the example as comments, with these values where there is no default.
_PLACEHOLDERS = {"trunk.host": '"sip.example.ru"'}


def example() -> str:
    """The text of `config/example.toml`: every setting with its explanation and default, [trunk] as comments."""
    lines = [
        "# Settings of the dialer. Every setting is here with its default; one that is left out has that default too.",
        "# Relative paths start at this file's folder. DIALER__SECTION__KEY in the environment overrides a line,",
        "# for example DIALER__TRUNK__PASSWORD.",
    ]
    section = ""
    for name, key, field in each_field(Settings):
        off = "#" if name == "trunk" else ""
        if name != section:
            section = name
            model = section_model(Settings, name)
            lines += ["", f"# {(model.__doc__ if model else '') or ''}", f"{off}[{name}]"]
        lines += [f"# {line}" for line in wrap(f"{field.description} {_limits(field)}".strip(), 116)]
        lines.append(f"{off}{key} = {_PLACEHOLDERS.get(f'{name}.{key}') or toml_value(field.default)}")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """The tables of `docs/settings.md`."""
    lines: list[str] = []
    section = ""
    for name, key, field in each_field(Settings):
        if name != section:
            section = name
            model = section_model(Settings, name)
            lines += ["", f"## [{name}]", "", (model.__doc__ if model else "") or "", ""]
            lines += ["| setting | default | unit | what it is |", "|---|---|---|---|"]
        default = "*required*" if field.default is PydanticUndefined else f"`{toml_value(field.default)}`"
        text = f"{field.description} {_limits(field)}".strip().replace("|", "\\|")
        lines.append(f"| `{key}` | {default} | {_unit(field)} | {text} |")
    return "\n".join(lines[1:]) + "\n"


def toml_value(value: Any) -> str:
    """`value` as TOML writes it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    return str(value)


def _unit(field: FieldInfo) -> str:
    return next((part.name for part in field.metadata if isinstance(part, Unit)), "")


def _limits(field: FieldInfo) -> str:
    """Choices and limits in words; "" if there are none."""
    choices = literal_choices(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"({', '.join(str(choice) for choice in choices)})"
    least = next((part.ge for part in field.metadata if isinstance(part, Ge)), None)
    most = next((part.le for part in field.metadata if isinstance(part, Le)), None)
    if _unit(field) == "port":
        return ""
    unit = f" {_unit(field)}".rstrip()
    if least is not None and most is not None:
        return f"({least} to {most}{unit})"
    if least is not None:
        return f"(at least {least}{unit})"
    not_empty = any(isinstance(part, MinLen) for part in field.metadata) and field.default is not PydanticUndefined
    return "(not empty)" if not_empty else ""


def main() -> None:
    """Write both files into the source tree."""
    EXAMPLE.write_text(example(), encoding="utf-8")
    page = EXAMPLE.parents[1] / "docs" / "settings.md"
    head = page.read_text(encoding="utf-8").split("\n## [", 1)[0]
    page.write_text(f"{head}\n{reference()}", encoding="utf-8")


if __name__ == "__main__":
    main()
