"""From a TOML file and the environment to tables, and from what pydantic refuses to words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.advice import ADVICE
from config.checks import closest
from config.errors import Problem, SettingsError
from config.sections import InFolder, Unit

PREFIX = "DIALER__"
Tables = dict[str, Any]


def read_file(path: Path) -> Tables:
    """The tables of a TOML file. Raises `SettingsError` if it cannot be read."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise _file_problem(path, "file_missing") from None
    except OSError as error:
        raise _file_problem(path, "file_unreadable", reason=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _file_problem(path, "file_encoding") from None
    except tomllib.TOMLDecodeError as error:
        raise _file_problem(path, "file_syntax", reason=str(error)) from None


def _file_problem(path: Path, code: str, **params: str) -> SettingsError:
    return SettingsError(path, [Problem("", "", ADVICE[code], params)])


def read_environment(environ: Mapping[str, str], tables: Tables, model: type[BaseModel]) -> list[Problem]:
    """Put the overrides of `environ` into `tables`; returns what could not be placed."""
    problems = []
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        parts = name[len(PREFIX) :].lower().split("__")
        if len(parts) != 2 or not all(parts):
            problems.append(Problem(name, "", ADVICE["environment_name"]))
            continue
        section, key = parts
        fields = _fields(section_model(model, section))
        if key not in fields:
            like = closest(f"{section}.{key}", sorted(dotted_fields(model)))
            advice = "unknown_like" if like else "environment_name"
            suggestion = PREFIX + like.upper().replace(".", "__")
            problems.append(Problem(name, "", ADVICE[advice], {"like": suggestion}))
            continue
        table = tables.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = _from_text(environ[name], fields[key])
    return problems


def _from_text(text: str, field: FieldInfo) -> object:
    """An environment's text as the TOML value that it stands for; lists as TOML or with commas."""
    if not str(field.annotation).startswith("tuple["):
        return text
    if text.lstrip().startswith("["):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]


def absolute_paths(tables: Tables, model: type[BaseModel], folder: Path) -> None:
    """Make relative paths, also that of a SQLite URL, start at `folder`."""
    for section, key, field in each_field(model):
        table = tables.get(section)
        value = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(value, str) and value and InFolder() in field.metadata:
            table[key] = str(folder / Path(value).expanduser())
    service = tables.setdefault("service", {})
    if isinstance(service, dict):
        service.setdefault("data_dir", str(folder / "data"))
    database = tables.get("database")
    url = database.get("url") if isinstance(database, dict) else None
    if isinstance(database, dict) and isinstance(url, str) and url.startswith("sqlite") and ":///" in url:
        scheme, _, file = url.partition(":///")
        if file:
            database["url"] = f"{scheme}:///{folder / file}"


def problems_of(error: ValidationError, tables: Tables, model: type[BaseModel]) -> list[Problem]:
    """Each of pydantic's complaints in our words."""
    return [_problem(details, tables, model) for details in error.errors()]


def _problem(details: ErrorDetails, tables: Tables, model: type[BaseModel]) -> Problem:
    path = [str(part) for part in details["loc"]]
    section, key = path[0], path[1] if len(path) > 1 else ""
    fields = _fields(section_model(model, section))
    field = fields.get(key)
    code, params = _advice(details, section, key, field, model)
    value = "" if details["type"] == "missing" or field is None else _shown(tables[section].get(key), section, field)
    return Problem(".".join(path[:2]), value, ADVICE[code], params)


def _advice(
    details: ErrorDetails, section: str, key: str, field: FieldInfo | None, model: type[BaseModel]
) -> tuple[str, dict[str, str]]:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(section, key, model)
    if field is None:
        return "not_a_table", {"key": section}
    description = (field.description or "").rstrip(".")
    if kind == "missing":
        return "missing", {"description": description}
    if kind == "literal_error":
        return "choice", {"choices": ", ".join(str(choice) for choice in literal_choices(field.annotation))}
    if kind in ("greater_than_equal", "less_than_equal"):
        limit = context["ge"] if kind == "greater_than_equal" else context["le"]
        return ("least" if kind == "greater_than_equal" else "most"), {"limit": str(limit), "unit": _unit(field)}
    if kind in ("string_too_short", "too_short"):
        return "empty", {}
    if kind == "string_pattern_mismatch":
        return "pattern", {"description": description}
    if kind in ADVICE:
        return kind, {name: str(value) for name, value in context.items()}
    for start, code in (("int", "integer"), ("bool", "boolean"), ("string", "text"), ("tuple", "list")):
        if kind.startswith(start):
            return code, {"example": _example(field)} if code == "list" else {}
    return "other", {"reason": details["msg"]}


def _unknown(section: str, key: str, model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Look for the word among its neighbours first, then anywhere."""
    neighbours = sorted(_fields(section_model(model, section))) if key else sorted(model.model_fields)
    everything = sorted(dotted_fields(model))
    elsewhere = [name for name in everything if name.split(".")[1] == (key or section)]
    like = closest(key or section, neighbours) or (elsewhere[0] if elsewhere else "")
    if like:
        return "unknown_like", {"like": like}
    return "unknown", {"known": ", ".join(neighbours)}


def _shown(value: object, section: str, field: FieldInfo) -> str:
    secret = field.annotation is SecretStr or not field.repr
    return "***" if secret else repr(value).replace("True", "true").replace("False", "false")


def _unit(field: FieldInfo) -> str:
    units = [part.name for part in field.metadata if isinstance(part, Unit) and part.name != "port"]
    return f" {units[0]}" if units else ""


def _example(field: FieldInfo) -> str:
    return "[" + ", ".join(f'"{value}"' for value in field.default) + "]"


def literal_choices(annotation: Any) -> tuple[object, ...]:
    """The values of a `Literal`, also inside a tuple."""
    arguments = get_args(annotation)
    if arguments and get_args(arguments[0]):
        return literal_choices(arguments[0])
    return arguments


def section_model(model: type[BaseModel], section: str) -> type[BaseModel] | None:
    """The model of one table, `None` if there is no such table."""
    field = model.model_fields.get(section)
    if field is None:
        return None
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """The fields of a table under the names that they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}


def each_field(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """(section, key, field) of every setting, in the order of the file."""
    for section in model.model_fields:
        for key, field in _fields(section_model(model, section)).items():
            yield section, key, field


def dotted_fields(model: type[BaseModel]) -> list[str]:
    """`section.key` of every setting."""
    return [f"{section}.{key}" for section, key, _ in each_field(model)]
