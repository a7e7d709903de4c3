"""The one place that imports pyVoIP."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # pyVoIP imports audioop, which Python 3.11 and 3.12 call deprecated; none of its sound code runs here.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pyVoIP.VoIP  # first: its modules import each other, and only this order works
    from pyVoIP import RTP, SIP

VoIP = pyVoIP.VoIP.VoIP

__all__ = ["RTP", "SIP", "VoIP"]
