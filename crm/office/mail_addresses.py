"""E-mail addresses that we write to."""

from __future__ import annotations

import re
from typing import Final

from crm.errors import Refused

# The dot-atom of RFC 5322 section 3.2.3, and a domain of two labels or more: no quoting, no comments, no line breaks.
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LONGEST: Final = 254  # RFC 5321 section 4.5.3.1.3, without the brackets
_LONGEST_LOCAL: Final = 64


def mail_address(written: str) -> str:
    """The address as it is sent to: a domain in national letters in its ASCII form. Raises `Refused`."""
    local, separator, domain = written.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    good = _LOCAL.fullmatch(local) and len(local) <= _LONGEST_LOCAL and len(labels) > 1
    address = f"{local}@{domain}"
    if not separator or not good or len(address) > LONGEST or not all(map(_LABEL.fullmatch, labels)):
        raise Refused("mail.address", address=written.strip()[:LONGEST])
    return address
