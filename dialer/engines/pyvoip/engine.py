"""The pyvoip engine: pyVoIP's signalling under the same legs, media workers and registrar as the native engine."""

from __future__ import annotations

import structlog

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native import NativeTelephony
from dialer.engines.pyvoip.client import Client
from dialer.engines.pyvoip.phone import Phone
from dialer.engines.pyvoip.signalling import PyVoipTransport, Received
from dialer.sip.endpoint import EndpointConfig, RegistrarAccount
from dialer.telephony import Capability, NotCapable

log = structlog.get_logger("dialer.engines.pyvoip")


class PyVoipTelephony(NativeTelephony):
    """Implements `dialer.telephony.Telephony`: `docs/engines.md` compares it with the native engine."""

    name = "pyvoip"
    capabilities = frozenset(Capability) - {Capability.TCP}

    def __init__(
        self,
        sip: SipSettings,
        media: MediaSettings,
        trunk: TrunkSettings | None,
        accounts: dict[str, RegistrarAccount],
    ) -> None:
        super().__init__(sip, media, trunk, accounts)
        advertised = sip.advertised_host or sip.host

        def make_client(phone: Phone, received_elsewhere: Received) -> Client:
            return Client(
                phone,
                domain=trunk.sip_domain if trunk is not None else advertised,
                username=trunk.user if trunk is not None else "",
                password=trunk.password.get_secret_value() if trunk is not None else "",
                bind=(sip.host, sip.port),
                advertised_host=advertised,
                received_elsewhere=received_elsewhere,
            )

        config = EndpointConfig(host=advertised, port=sip.port, realm=sip.realm, accounts=dict(accounts))
        self._transport = PyVoipTransport(make_client, config, self._sip_event)
        self._endpoint = self._transport.endpoint
        self._trunk_transport = trunk.transport if trunk is not None else "udp"

    async def start(self) -> None:
        """Raises `NotCapable` for a trunk over TCP, and what the port says."""
        if self._trunk_transport == "tcp":
            raise NotCapable(self.name, Capability.TCP)
        if self._sip.tcp:
            log.info("sip", on="start", engine=self.name, not_served="tcp: pyVoIP speaks UDP only")
        await super().start()
