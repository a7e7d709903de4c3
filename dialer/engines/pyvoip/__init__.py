"""The second engine: pyVoIP 1.6.8 for the signalling, the project's media workers for the sound."""

from dialer.engines.pyvoip.engine import PyVoipTelephony

__all__ = ["PyVoipTelephony"]
