"""The native engine: our own SIP endpoint (`dialer.sip`) and media workers (`dialer.media`)."""

from dialer.engines.native.engine import NativeTelephony

__all__ = ["NativeTelephony"]
