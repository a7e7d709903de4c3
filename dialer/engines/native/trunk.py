"""The trunk: where it is, whether it is there, and in what words it is not."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import structlog

from config.sections import TrunkSettings
from dialer.reasons import Reason
from dialer.sip.address import DEFAULT_PORT, bracketed
from dialer.sip.endpoint import TrunkAccount
from dialer.sip.events import Credentials, Hop, OptionsAnswered, Registered, RegistrationFailed, Transport
from dialer.telephony import TrunkStatus

ACCOUNT = "trunk"

log = structlog.get_logger("dialer.engines")


class Trunk:
    """Pure but for `resolve`. Ready means: OPTIONS is answered by anything at all (a 4xx to OPTIONS still shows that
    the trunk is there), and our registration is accepted where the trunk wants one."""

    def __init__(self, settings: TrunkSettings) -> None:
        self._settings = settings
        self.hop: Hop | None = None
        self.status = TrunkStatus(False, Reason("trunk.not_asked_yet"))
        self._registration = self.status if settings.registers else TrunkStatus(True)
        self._presence = TrunkStatus(True)
        self._answers_options = False  # it did at least once
        if not settings.registers and not settings.ask_options:
            self.status = TrunkStatus(True)  # until a call shows otherwise

    async def resolve(self, ours: str) -> bool:
        """Look up the host's address of the same family as `ours` (A or AAAA): our socket can send to no other. False,
        with the reason in `status`, if there is none."""
        settings = self._settings
        family = socket.AF_INET6 if ":" in ours else socket.AF_INET
        try:
            host = str(ipaddress.ip_address(settings.host))
        except ValueError:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    settings.host, settings.port, family=family, type=socket.SOCK_DGRAM
                )
            except OSError:
                self.status = TrunkStatus(False, Reason("trunk.no_address", host=settings.host))
                return False
            host = str(found[0][4][0])
        self.hop = Hop(Transport(settings.transport), host, settings.port)
        return True

    @property
    def registers(self) -> bool:
        return self._settings.registers

    @property
    def asks_options(self) -> bool:
        return self._settings.ask_options

    @property
    def waits_to_register(self) -> bool:
        """It was silent when we registered, and is asked again only after a while that grows to minutes."""
        return self.registers and self._registration.code == "trunk.no_answer"

    @property
    def credentials(self) -> Credentials | None:
        settings = self._settings
        if not settings.user:
            return None
        return Credentials(settings.user, settings.password.get_secret_value())

    def caller(self, caller_id: str = "") -> str:
        """The URI in From: what the client sees as our number. `caller_id` in place of the trunk's own, unless the
        provider would not have it: such a call it would refuse, or show as somebody else's."""
        settings = self._settings
        if caller_id and settings.caller_ids and caller_id not in settings.caller_ids:
            log.warning("number not shown", was=caller_id, on="not in trunk.caller_ids", now="the trunk's own")
            caller_id = ""
        user = caller_id or settings.caller_id or settings.user or "anonymous"
        return f"sip:{user}@{self._domain}"

    @property
    def _domain(self) -> str:
        return bracketed(self._settings.sip_domain)

    @property
    def _place(self) -> str:
        """Whom a request line names. Without a port 5060 is meant (RFC 3261 section 19.1.2): a proxy that listens
        elsewhere would not take it for itself, and pass the request on to nobody."""
        settings = self._settings
        port = "" if settings.domain or settings.port == DEFAULT_PORT else f":{settings.port}"
        return f"{self._domain}{port}"

    def number_uri(self, number: str) -> str:
        return f"sip:{self._dialled(number)}@{self._place}"

    def _dialled(self, number: str) -> str:
        """`number` as this trunk wants it. A PBX whose dial plan knows only digits answers +7... with 404."""
        wanted = self._settings.number_format
        if wanted == "+7" or not number.startswith("+"):
            return number
        if wanted == "7":
            return number[1:]
        return f"8{number[2:]}" if number.startswith("+7") else f"810{number[1:]}"

    @property
    def options_uri(self) -> str:
        return f"sip:{self._place}"

    @property
    def options_interval_s(self) -> float:
        return float(self._settings.options_interval_s)

    def account(self, hop: Hop) -> TrunkAccount:
        settings = self._settings
        credentials = self.credentials
        assert credentials is not None, "settings refuse register = true without a user"
        return TrunkAccount(
            name=ACCOUNT,
            aor=f"sip:{settings.user}@{self._domain}",
            registrar_uri=f"sip:{self._place}",
            hop=hop,
            credentials=credentials,
        )

    def heard(self, event: Registered | RegistrationFailed | OptionsAnswered) -> bool:
        """Take an answer in; True if the status changed."""
        was = self.status
        # Some providers let OPTIONS of customers fall through: the next REGISTER will tell.
        registers_silently = self.registers and self._registration.ready and not self._answers_options
        where = f"{self._settings.host}:{self._settings.port}"
        match event:
            case Registered():
                self._registration = self._presence = TrunkStatus(True)
            case RegistrationFailed(sip_code=0):
                self._registration = TrunkStatus(False, Reason("trunk.no_answer", address=where))
            case RegistrationFailed():
                self._registration = TrunkStatus(
                    False, Reason("trunk.refused", address=where, code=event.sip_code, phrase=event.phrase)
                )
            case OptionsAnswered(sip_code=0) if registers_silently:
                pass
            case OptionsAnswered(sip_code=0):
                self._presence = TrunkStatus(False, Reason("trunk.no_answer", address=where))
            case OptionsAnswered():
                self._presence = TrunkStatus(True)
                self._answers_options = True
        self.status = self._presence if not self._presence.ready else self._registration
        return self.status != was
