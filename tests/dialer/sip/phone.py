"""A headset that registers properly, as a script."""

from __future__ import annotations

import hashlib

from dialer.sip.auth import DigestClient
from dialer.sip.endpoint import Endpoint, EndpointConfig, RegistrarAccount
from dialer.sip.events import Credentials, Transport
from dialer.sip.message import ReceivedResponse, read_message
from tests.dialer.sip.network import Network, title, wire

ANNA = RegistrarAccount(
    "anna", hashlib.md5(b"anna:dialer:pw").hexdigest(), hashlib.sha256(b"anna:dialer:pw").hexdigest()
)


class Phone:
    """A scripted headset that registers properly, at an endpoint that knows it."""

    def __init__(
        self,
        contact: str = "sip:anna@10.0.0.5:5062",
        transport: Transport = Transport.UDP,
        account: RegistrarAccount = ANNA,
        *,
        offer_sha256: bool = False,
    ) -> None:
        self.network = Network()
        config = EndpointConfig("10.0.0.1", 5060, accounts={"anna": account}, offer_sha256=offer_sha256)
        self.us = self.network.add("us", "10.0.0.1", config=config)
        self.node = self.network.add_peer("phone", "10.0.0.5", 40000, transport)
        self.contact = f"<{contact}>"
        self.cseq = 0
        self.call_id = "reg"
        self.digest = DigestClient(Credentials("anna", "pw"), "10.0.0.1")

    @property
    def endpoint(self) -> Endpoint:
        assert self.us.endpoint is not None
        return self.us.endpoint

    def send(self, extra: str, *, contact: str | None = None, user: str = "anna") -> bytes:
        """One REGISTER; its answer."""
        self.cseq += 1
        branch = f"z9hG4bKr{self.call_id}{self.cseq}"
        lines = [
            "REGISTER sip:10.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/{self.node.hop.transport.name} 192.168.1.5:5062;branch={branch};rport",
            f"From: <sip:{user}@10.0.0.1>;tag=p",
            f"To: <sip:{user}@10.0.0.1>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            *([f"Contact: {self.contact if contact is None else contact}"] if contact != "" else []),
            *([extra] if extra else []),
            *(f"{name}: {value}" for name, value in self.digest.headers("REGISTER", "sip:10.0.0.1", "10.0.0.1")),
        ]
        self.network.send(self.node, self.us, wire("\n".join(lines)))
        self.network.settle()
        return self.node.inbox[-1]

    def register(self, extra: str = "Expires: 120", *, contact: str | None = None, user: str = "anna") -> bytes:
        """REGISTER, answering one challenge."""
        self.digest.begin()
        answer = self.send(extra, contact=contact, user=user)
        if title(answer) != "401 REGISTER":
            return answer
        assert self.take_challenge(answer)
        return self.send(extra, contact=contact, user=user)

    def take_challenge(self, answer: bytes) -> bool:
        challenge = read_message(answer, self.us.hop)
        return isinstance(challenge, ReceivedResponse) and self.digest.take_challenge(challenge)
