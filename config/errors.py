"""What can be wrong with settings, in words that can be translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting.

    `key` is "section.key" ("" for the file as a whole), `value` what was found, secrets masked ("" if nothing was),
    `advice` an English sentence with `{name}` placeholders for `params` that says what would be right.
    """

    key: str
    value: str
    advice: str
    params: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        what = f"{self.key} = {self.value}: " if self.value else f"{self.key}: " if self.key else ""
        return what + self.advice.format(**self.params)


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds every reason that was found."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{path}:", *(f"  {problem}" for problem in problems)]))
