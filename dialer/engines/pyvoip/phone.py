"""pyVoIP's phone with our client and our calls: which call a request belongs to."""

from __future__ import annotations

from collections.abc import Callable

from dialer.engines.pyvoip.alarms import Alarms
from dialer.engines.pyvoip.call import Call, OnEvent
from dialer.engines.pyvoip.client import Client
from dialer.engines.pyvoip.incoming import IncomingCall
from dialer.engines.pyvoip.library import SIP, VoIP
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.outgoing import OutgoingCall
from dialer.sip.timing import PATIENCE


class Phone(VoIP.VoIPPhone):
    """`on_event` is told everything that happens to any call, `CallEnded` last and once."""

    def __init__(
        self,
        alarms: Alarms,
        send: Callable[[bytes, Address], None],
        on_event: OnEvent,
        *,
        address: Address,
        domain: str,
        username: str = "",
        password: str = "",
    ) -> None:
        """`address` is what we call ourselves; `domain`, `username` and `password` are the trunk's."""
        super().__init__(domain, 0, username, password, myIP=address[0], sipPort=address[1])
        self._on_event = on_event
        self.sip: Client = Client(
            self,
            alarms=alarms,
            address=address,
            domain=domain,
            username=username,
            password=password,
            send=send,
        )

    def release_ports(self, call: VoIP.VoIPCall | None = None) -> None:
        """pyVoIP gives RTP ports out; here the media workers do."""

    def place(
        self,
        *,
        call_id: str,
        target_uri: str,
        from_uri: str,
        target: Address,
        sdp: bytes,
        with_password: bool,
    ) -> None:
        """Send INVITE. `with_password`: a challenge is answered with the trunk's password, if `target` itself sent
        it."""
        invite = self.sip.draft_invite(call_id=call_id, target_uri=target_uri, from_uri=from_uri, sdp=sdp)
        call = OutgoingCall(self, invite, target, with_password, self._on_event)
        self.calls[call_id] = call
        call.send_invite()

    def take(self, invite: Message) -> None:
        """A call comes in, from whom may call."""
        call = IncomingCall(self, invite, self._on_event)
        self.calls[call.call_id] = call
        call.offer()

    def find(self, call_id: str) -> Call | None:
        call = self.calls.get(call_id)
        return call if isinstance(call, Call) else None

    def find_incoming(self, call_id: str) -> IncomingCall | None:
        call = self.calls.get(call_id)
        return call if isinstance(call, IncomingCall) else None

    @property
    def waits_for_ack(self) -> bool:
        """Whether an answer of ours is not acknowledged yet."""
        return any(isinstance(call, IncomingCall) and call.waits_for_ack for call in self.calls.values())

    def forget_later(self, call: Call) -> None:
        """A call that is over still answers a late or repeated message for as long as one may come."""
        self.sip.alarms.after(PATIENCE, lambda: self._forget(call.call_id))

    def _forget(self, call_id: str) -> None:
        if call_id in self.sip.invites:
            self.sip.requests.forget(self.sip.invites[call_id])
        for kept in (self.calls, self.sip.invites, self.sip.tagLibrary):
            kept.pop(call_id, None)

    def callback(self, request: SIP.SIPMessage) -> None:
        """Every request that comes in (pyVoIP: INVITE and BYE only, and those of any tag)."""
        assert isinstance(request, Message)
        method = request.text.method
        call = self.find(request.call_id)
        if method == "ACK":
            if call is not None and call.owns(request):
                call.acknowledged(request)
        elif method == "CANCEL" and isinstance(call, IncomingCall) and call.is_cancelled_by(request):
            self.sip.reply(request, 200, "OK", tag=self.sip.tagLibrary[call.call_id])
            call.cancelled()
        elif method == "INVITE" and not request.to_tag:  # RFC 3261 section 8.2.2.2: the same one by another way
            self.sip.reply(request, 482, "Loop Detected")
        elif call is None or not call.owns(request):
            self.sip.reply(request, 481, "Call/Transaction Does Not Exist")
        elif method == "BYE":
            self.sip.reply(request, 200, "OK")
            call.bye(request)
        elif method in ("INVITE", "UPDATE"):
            call.renegotiate(request)
        elif method == "INFO":
            self.sip.reply(request, 200, "OK")
            call.info(request)
        elif method == "OPTIONS":  # RFC 3261 section 11.2: whether the call is still there
            self.sip.reply(request, 200, "OK")
        else:
            self.sip.reply(request, 501, "Not Implemented")
