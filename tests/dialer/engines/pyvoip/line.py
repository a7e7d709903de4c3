"""pyVoIP's part of the engine and a scripted trunk, on a network in memory with a time of its own."""

from __future__ import annotations

from dialer.engines.pyvoip.endpoint import PyVoipEndpoint
from dialer.sip.endpoint import EndpointConfig
from dialer.sip.events import Credentials, SipEvent
from dialer.sip.sdp import build_offer
from tests.dialer.sip.network import Network, answer_to, title, wire

OFFER = build_offer("10.0.0.1", 16000)
ANSWER = "v=0\no=- 1 1 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\nm=audio 4000 RTP/AVP 8\n"
CONTACT = "Contact: <sip:far@10.0.0.2:5060;x=1>"
CREDENTIALS = Credentials("office", "secret")


class Line:
    """`us` calls, `trunk` is what the test says it is."""

    def __init__(self) -> None:
        self.network = Network()
        self.us = self.network.add("us", "10.0.0.1")
        self.endpoint = self.us.endpoint = PyVoipEndpoint(
            EndpointConfig("10.0.0.1", 5060), ("trunk.test", CREDENTIALS.username, CREDENTIALS.password)
        )
        self.trunk = self.network.add_peer("trunk", "10.0.0.2")

    def invite(self, credentials: Credentials | None = None, *, call_id: str = "call") -> bytes:
        self.endpoint.invite(
            call_id=call_id,
            target_uri="sip:100@trunk.test",
            hop=self.trunk.hop,
            from_uri="sip:me@trunk.test",
            sdp=OFFER,
            now=self.network.now,
            credentials=credentials,
        )
        self.network.settle()
        return self.last("INVITE +sdp")

    def answer(self, request: bytes, code: str, *, tag: str = "far", extra: str = "", body: str = "") -> None:
        self.network.send(self.trunk, self.us, answer_to(request, code, tag=tag, extra=extra, body=body))
        self.network.settle()

    def talk(self, *, extra: str = CONTACT) -> bytes:
        invite = self.invite()
        self.answer(invite, "180 Ringing")
        self.answer(invite, "200 OK", extra=extra, body=ANSWER)
        return invite

    def ask(self, invite: bytes, method: str, *, tag: str = "far", extra: str = "", body: str = "") -> bytes:
        """The trunk asks something inside the call; the answer that it gets."""
        lines = {line.partition(b":")[0]: line.partition(b":")[2].strip() for line in invite.split(b"\r\n")}
        content = "Content-Type: application/sdp" if body.startswith("v=0") else ""
        head = [
            f"{method} sip:office@10.0.0.1:5060 SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{len(self.trunk.inbox)};rport",
            f"From: {lines[b'To'].decode()};tag={tag}",
            f"To: {lines[b'From'].decode()}",
            "Call-ID: call",
            f"CSeq: 7 {method}",
            *[line.strip() for line in (extra, content) if line],
        ]
        self.network.send(self.trunk, self.us, wire("\n".join(head) + "\n\n" + body))
        self.network.settle()
        return self.trunk.inbox[-1]

    def hang_up(self) -> None:
        self.endpoint.hang_up("call", self.network.now)
        self.network.settle()

    def got(self, label: str) -> list[bytes]:
        return [payload for payload in self.trunk.inbox if title(payload) == label]

    def last(self, label: str) -> bytes:
        return self.got(label)[-1]

    @property
    def events(self) -> list[SipEvent]:
        return self.us.events
