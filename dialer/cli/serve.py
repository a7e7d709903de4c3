"""`dialer serve`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from config.settings import Settings
from dialer.app import RunningService
from dialer.app import serve as run_service
from dialer.cli.database import make_folder_of
from dialer.cli.terminal import Terminal
from dialer.logs import configure_logging


def serve(settings: Settings, terminal: Terminal, settings_file: Path) -> int:
    """Run the service until it is told to stop."""
    configure_logging(settings.log.level, settings.log.format, sys.stderr)
    make_folder_of(settings)
    settings.recordings_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def ready(service: RunningService) -> None:
        terminal.say(terminal.words.gettext("The console is at {url} (Ctrl+C stops the service).", url=service.url))

    asyncio.run(run_service(settings, settings_file=settings_file, on_ready=ready))
    return 0
