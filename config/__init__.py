"""Settings of the service: frozen, documented, read from one TOML file plus the environment."""

from importlib import resources


def example_text() -> str:
    """`example.toml`: every setting with its explanation and default."""
    return resources.files("config").joinpath("example.toml").read_text(encoding="utf-8")
