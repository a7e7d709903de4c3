"""The dialer: SIP and RTP, calls, the scheduler and the console."""

__version__ = "0.1.0"
