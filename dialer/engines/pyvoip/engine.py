"""The pyvoip engine: pyVoIP's calls under the same socket, legs, media workers and registrar as the native engine."""

from __future__ import annotations

from config.sections import MediaSettings, SipSettings, TrunkSettings
from dialer.engines.native import NativeTelephony
from dialer.engines.pyvoip.endpoint import PyVoipEndpoint
from dialer.sip.endpoint import Endpoint, EndpointConfig, RegistrarAccount
from dialer.telephony import Capability, NotCapable, TelephonyError


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
        self._trunk_over_tcp = trunk is not None and trunk.transport == "tcp"

    async def start(self) -> None:
        """Raises `NotCapable` for a trunk over TCP, `TelephonyError` for IPv6, else as the native engine does."""
        if self._trunk_over_tcp:
            raise NotCapable(self.name, Capability.TCP)
        if ":" in self._sip.host:
            raise TelephonyError(f"the {self.name} engine speaks IPv4 only: sip.host {self._sip.host} is IPv6")
        await super().start()

    def _make_endpoint(self, config: EndpointConfig, trunk: TrunkSettings | None) -> Endpoint:
        if trunk is None:
            return PyVoipEndpoint(config, (config.host, "", ""))
        return PyVoipEndpoint(config, (trunk.sip_domain, trunk.user, trunk.password.get_secret_value()))
