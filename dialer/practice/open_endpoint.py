"""An endpoint that lets strangers call, as a carrier does. The product's own never does: hence not a setting of it."""

from __future__ import annotations

from dialer.sip.auth import Proof
from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.message import ReceivedRequest
from dialer.sip.screening import Refusal


class OpenEndpoint(Endpoint):
    """Without accounts anybody may call; with accounts whoever proves to be one of them, by digest (401)."""

    def __init__(self, config: EndpointConfig) -> None:
        super().__init__(config)
        self._wants_digest = bool(config.accounts)

    def _refuse_caller(self, request: ReceivedRequest, now: float) -> Refusal | None:
        if request.call_id in self._calls:
            return Refusal(482)
        if not self._wants_digest:
            return None
        proof, _ = self._digest.check(request, self._registrar.accounts, now)
        if proof is Proof.GOOD:
            return None
        if proof is Proof.WRONG:
            return Refusal(403)
        return Refusal(
            401, headers=self._registrar.challenges(now, asker=request.source.host, stale=proof is Proof.STALE)
        )
