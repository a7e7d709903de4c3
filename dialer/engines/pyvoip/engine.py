"""The pyvoip engine: pyVoIP's calls under the same socket, legs, media workers and registrar as the native engine."""

from __future__ import annotations

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native import NativeTelephony
from dialer.engines.pyvoip.endpoint import PyVoipEndpoint
from dialer.sip.endpoint import EndpointConfig, RegistrarAccount
from dialer.sip.transport import SipTransport
from dialer.telephony import Capability, NotCapable


class PyVoipTelephony(NativeTelephony):
    """Implements `dialer.telephony.Telephony`; `docs/engines.md` compares it with the native engine."""

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
        host = sip.advertised_host or sip.host
        account = (trunk.sip_domain, trunk.user, trunk.password.get_secret_value()) if trunk else (host, "", "")
        config = EndpointConfig(host=host, port=sip.port, realm=sip.realm, accounts=dict(accounts))
        self._endpoint = PyVoipEndpoint(config, account)
        self._transport = SipTransport(self._endpoint, sip.host, sip.port, tcp=False, on_event=self._sip_event)
        self._trunk_over_tcp = trunk is not None and trunk.transport == "tcp"

    async def start(self) -> None:
        """Raises `NotCapable` for a trunk over TCP, else as the native engine does."""
        if self._trunk_over_tcp:
            raise NotCapable(self.name, Capability.TCP)
        await super().start()
