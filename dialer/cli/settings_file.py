"""The settings file of a command."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

from config.settings import Settings, load_settings
from dialer.cli.terminal import Terminal


def settings_file(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """The settings file that the command line or the environment names."""
    path: Path | None = arguments.config
    return path or Path(environ.get("DIALER_CONFIG") or "dialer.toml")


def settings_of(arguments: argparse.Namespace, terminal: Terminal, environ: Mapping[str, str]) -> Settings:
    """The settings that the command line names; from then on the terminal speaks their language."""
    if arguments.config is not None:
        terminal.settings_option = f"-c {shlex.quote(str(arguments.config))}"
    settings = load_settings(settings_file(arguments, environ), environ)
    terminal.speak(settings.service.language)
    return settings
