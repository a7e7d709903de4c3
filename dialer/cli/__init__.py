"""The `dialer` command. Every command answers in words; no traceback reaches a user."""

from dialer.cli.main import main

__all__ = ["main"]
