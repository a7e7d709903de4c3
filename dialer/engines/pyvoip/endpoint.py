"""pyVoIP in the place of the project's own calls, behind the surface of `Endpoint`.

Our calls and our registration at the trunk are pyVoIP's; a datagram that belongs to neither - headsets that register
here, OPTIONS, strangers, rubbish - is `Endpoint`'s as before.
"""

from __future__ import annotations

from dialer.engines.pyvoip.alarms import Alarms
from dialer.engines.pyvoip.message import Address, Message
from dialer.engines.pyvoip.phone import Phone
from dialer.engines.pyvoip.registration import Registration
from dialer.engines.pyvoip.text import Malformed
from dialer.sip.endpoint import Endpoint, EndpointConfig, TrunkAccount
from dialer.sip.events import Credentials, Hop, SipEvent, Transmission, Transport
from dialer.sip.inside import DIGITS
from dialer.sip.message import check_uri


class PyVoipEndpoint(Endpoint):
    """`Endpoint` with pyVoIP's calls. `account` is the trunk's: domain, user name, password.

    The attributes have two underscores to keep out of the way of `Endpoint`'s own.
    """

    def __init__(self, config: EndpointConfig, account: tuple[str, str, str]) -> None:
        super().__init__(config)
        domain, username, password = account
        self.__alarms = Alarms()
        self.__transmissions: list[Transmission] = []
        self.__events: list[SipEvent] = []
        self.__registrations: dict[str, Registration] = {}
        self.__callers = config.accept_calls_from
        self.__phone = Phone(
            self.__alarms,
            self.__send,
            self.__tell,
            address=(config.host, config.port),
            domain=domain,
            username=username,
            password=password,
        )

    def set_port(self, port: int) -> None:
        super().set_port(port)
        self.__phone.sip.myPort = port

    def receive(self, payload: bytes, source: Hop, now: float) -> None:
        self.__alarms.now = now
        if source.transport is not Transport.UDP or not self.__take(payload, (source.host, source.port)):
            super().receive(payload, source, now)

    def __take(self, payload: bytes, source: Address) -> bool:
        """Whether this is pyVoIP's, and done with."""
        try:
            message = Message(payload, source)
        except Malformed:
            return False
        if message.code:
            return self.__phone.sip.requests.response(message)
        if self.__phone.find(message.call_id) is not None:
            self.__phone.sip.parse_message(message)
            return True
        if self.__may_call(message):
            self.__phone.take(message)
            return True
        return False

    def __may_call(self, message: Message) -> bool:
        """A new call of the trunk that wants nothing special; whoever else calls is `Endpoint`'s to refuse."""
        is_new_call = message.text.method == "INVITE" and not message.to_tag
        return is_new_call and message.source[0] in self.__callers and not message.text.first("Require")

    def accept_calls_from(self, hosts: frozenset[str]) -> None:
        super().accept_calls_from(hosts)
        self.__callers = hosts

    def transport_failed(self, hop: Hop, now: float) -> None:
        super().transport_failed(hop, now)
        self.__alarms.now = now
        self.__phone.sip.requests.unreachable((hop.host, hop.port))

    def handle_timers(self, now: float) -> None:
        super().handle_timers(now)
        self.__alarms.handle_timers(now)

    def next_timer(self) -> float | None:
        timers = (super().next_timer(), self.__alarms.next_timer())
        return min((at for at in timers if at is not None), default=None)

    def transmissions(self) -> list[Transmission]:
        taken, self.__transmissions = self.__transmissions, []
        return [*super().transmissions(), *taken]

    def events(self) -> list[SipEvent]:
        taken, self.__events = self.__events, []
        return [*super().events(), *taken]

    @property
    def settled(self) -> bool:
        return super().settled and not self.__phone.sip.requests.waiting and not self.__phone.waits_for_ack

    def invite(
        self,
        *,
        call_id: str,
        target_uri: str,
        hop: Hop,
        from_uri: str,
        sdp: bytes,
        now: float,
        credentials: Credentials | None = None,
        display_name: str = "",
        route: tuple[str, ...] = (),
    ) -> None:
        """As `Endpoint.invite`; `credentials` can only be those of the trunk, which pyVoIP has."""
        if self.__phone.find(call_id) is not None:
            raise ValueError(f"there is a call {call_id} already")
        check_uri(target_uri)
        check_uri(from_uri)
        self.__alarms.now = now
        self.__phone.place(
            call_id=call_id,
            target_uri=target_uri,
            from_uri=from_uri,
            target=(hop.host, hop.port),
            sdp=sdp,
            with_password=credentials is not None,
        )

    def ring(self, call_id: str, now: float, sdp: bytes = b"") -> None:
        """180; early sound of ours is not pyVoIP's to send."""
        call = self.__phone.find_incoming(call_id)
        if call is None:
            super().ring(call_id, now, sdp)
            return
        self.__alarms.now = now
        call.ring()

    def answer(self, call_id: str, sdp: bytes, now: float) -> None:
        call = self.__phone.find_incoming(call_id)
        if call is None:
            super().answer(call_id, sdp, now)
            return
        self.__alarms.now = now
        call.answer_with(sdp)

    def reject(self, call_id: str, sip_code: int, now: float, phrase: str = "", contact_uri: str = "") -> None:
        call = self.__phone.find_incoming(call_id)
        if call is None:
            super().reject(call_id, sip_code, now, phrase, contact_uri)
            return
        self.__alarms.now = now
        call.refuse(sip_code, phrase or "Declined")

    def hang_up(self, call_id: str, now: float) -> None:
        call = self.__phone.find(call_id)
        if call is None:
            super().hang_up(call_id, now)
            return
        self.__alarms.now = now
        call.hangup()

    def send_info_digit(self, call_id: str, digit: str, now: float, duration_ms: int = 160) -> None:
        call = self.__phone.find(call_id)
        if call is None or len(digit) != 1 or digit not in DIGITS:
            super().send_info_digit(call_id, digit, now, duration_ms)
            return
        self.__alarms.now = now
        call.press(digit, duration_ms)

    def set_local_sdp(self, call_id: str, sdp: bytes) -> None:
        call = self.__phone.find(call_id)
        if call is None:
            super().set_local_sdp(call_id, sdp)
        else:
            call.local_sdp = sdp

    def register(self, account: TrunkAccount, now: float) -> None:
        self.unregister(account.name, now)
        registration = Registration(self.__phone.sip, account, self.__tell)
        self.__registrations[account.name] = registration
        registration.begin()

    def unregister(self, name: str, now: float) -> None:
        self.__alarms.now = now
        registration = self.__registrations.pop(name, None)
        if registration is not None:
            registration.end()

    def __tell(self, event: SipEvent) -> None:
        self.__events.append(event)

    def __send(self, payload: bytes, target: Address) -> None:
        self.__transmissions.append(Transmission(payload, Hop(Transport.UDP, *target)))
