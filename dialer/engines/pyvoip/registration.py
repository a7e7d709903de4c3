"""Our registration at the trunk, kept up: pyVoIP's own blocks a thread, gives up after three failures, and takes any
datagram that comes meanwhile for its answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from dialer.engines.pyvoip.alarms import Alarm
from dialer.engines.pyvoip.client import Client
from dialer.engines.pyvoip.message import Message
from dialer.engines.pyvoip.text import MessageText
from dialer.sip.endpoint import TrunkAccount
from dialer.sip.events import Registered, RegistrationFailed

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 60.0
REFRESH_AT = 0.8  # of the time that was granted
MIN_REFRESH_S = 1.0
MAX_CHALLENGES = 1


class Registration:
    """One account at its registrar."""

    def __init__(
        self, client: Client, account: TrunkAccount, tell: Callable[[Registered | RegistrationFailed], None]
    ) -> None:
        self._client = client
        self._account = account
        self._tell = tell
        self._call_id = uuid.uuid4().hex
        self._expires_s = account.expires_s
        self._challenges = 0
        self._retry_s = FIRST_RETRY_S
        self._timer: Alarm | None = None
        self._ending = False
        self._bound = False

    def begin(self) -> None:
        """Register now, and again before it runs out or after a failure (then with growing pauses)."""
        self._challenges = 0
        self._send(None)

    def end(self) -> None:
        """Take the registration back; nothing more is told."""
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
        if self._bound:
            self._expires_s = 0
            self.begin()

    def _send(self, challenge: Message | None) -> None:
        text = self._client.draft_register(challenge, call_id=self._call_id, expires_s=self._expires_s)
        hop = self._account.hop
        self._client.requests.send(text, (hop.host, hop.port), self._answered, lambda _cause: self._failed(0, ""))

    def _answered(self, response: Message) -> None:
        if response.code < 200:
            return
        if response.code in (401, 407) and self._challenges < MAX_CHALLENGES:
            self._challenges += 1
            self._send(response)
        elif response.code == 423 and self._too_brief(response):
            self.begin()
        elif response.code >= 300:
            self._failed(response.code, response.text.phrase)
        else:
            self._succeeded(_granted(response.text, self._client.contact()) or self._expires_s)

    def _too_brief(self, response: Message) -> bool:
        """RFC 3261 section 10.2.8: ask for as long as the registrar wants."""
        least = re.match(r"\d{1,6}", response.text.first("Min-Expires"))
        if not least or int(least.group()) <= self._expires_s or self._ending:
            return False
        self._expires_s = int(least.group())
        return True

    def _succeeded(self, granted_s: int) -> None:
        if self._ending:
            return
        self._bound = True
        self._retry_s = FIRST_RETRY_S
        self._after(max(granted_s * REFRESH_AT, MIN_REFRESH_S))
        self._tell(Registered(self._account.name, granted_s))

    def _failed(self, code: int, phrase: str) -> None:
        if self._ending:
            return
        self._bound = False
        self._after(self._retry_s)
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
        self._tell(RegistrationFailed(self._account.name, code, phrase))

    def _after(self, seconds: float) -> None:
        self._timer = self._client.alarms.after(seconds, self.begin)


def _granted(text: MessageText, contact: str) -> int:
    """Seconds that the registrar granted our Contact (RFC 3261 section 10.2.4), 0 if it does not say."""
    for value in text.all("Contact"):
        found = re.search(r";\s*expires\s*=\s*(\d{1,7})", value, re.IGNORECASE)
        if found and contact.strip("<>") in value:
            return int(found.group(1))
    general = text.first("Expires")
    return int(general) if general.isdecimal() else 0
