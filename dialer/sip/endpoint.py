"""The SIP endpoint: one object for everything that speaks SIP on a socket, without the socket.

Bytes and the time (`now`: seconds of any monotonic clock) go in; after each call the owner drains `transmissions()` and
`events()` and arms one timer for `next_timer()`.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import structlog

from dialer.sip.address import quoted, user_of
from dialer.sip.auth import DigestClient, DigestServer, Proof
from dialer.sip.call import Call, CallState
from dialer.sip.client_transaction import ClientFault, ClientTransaction
from dialer.sip.config import EndpointConfig, RegistrarAccount, TrunkAccount
from dialer.sip.core import ALLOW, Core, Trace, sdp_of
from dialer.sip.errors import Unreadable
from dialer.sip.events import CallIncoming, Credentials, Hop, OptionsAnswered, SipEvent, Transmission
from dialer.sip.inside import DIGITS, receive_inside
from dialer.sip.message import (
    BrokenRequest,
    ReceivedRequest,
    ReceivedResponse,
    build_refusal,
    check_uri,
    new_tag,
    read_message,
)
from dialer.sip.registrar import Registrar
from dialer.sip.registration import Registration
from dialer.sip.screening import ACCEPT, Refusal, screen
from dialer.sip.server_transaction import ServerTransaction
from dialer.sip.uac import Invitation, OutgoingCall
from dialer.sip.uas import IncomingCall

__all__ = ["Endpoint", "EndpointConfig", "RegistrarAccount", "TrunkAccount"]

log = structlog.get_logger("dialer.sip")

MOST_VIAS = 10
MAX_SERVER_TRANSACTIONS = 10_000  # some 50 MB; strangers' requests leave none behind


class Endpoint:
    """A user agent (both sides), a registrar for headsets, and registrations of our own."""

    def __init__(self, config: EndpointConfig, on_trace: Trace | None = None) -> None:
        """`on_trace` is shown every message: its bytes, "in" or "out", the other side's hop, now."""
        self._core = Core(config, on_trace)
        self._digest = DigestServer(config.realm, config.secret)
        self._registrar = Registrar(self._core, self._digest, config.accounts)
        self._registrations: dict[str, Registration] = {}
        self._calls: dict[str, Call] = {}

    def set_port(self, port: int) -> None:
        """The port that was really bound, when the configured one is 0. Before anything is sent."""
        self._core.port = port

    @property
    def on_trace(self) -> Trace | None:
        """Who is shown the messages; may be set at any time."""
        return self._core.on_trace

    @on_trace.setter
    def on_trace(self, on_trace: Trace | None) -> None:
        self._core.on_trace = on_trace

    # in
    def receive(self, payload: bytes, source: Hop, now: float) -> None:
        """One UDP datagram, or one whole message cut from a TCP stream. Never raises."""
        if self._core.on_trace is not None:
            self._core.on_trace(payload, "in", source, now)
        try:
            message = read_message(payload, source)
        except Unreadable as fault:
            log.debug("dropped", source=source.host, why=str(fault))
            return
        if isinstance(message, ReceivedResponse):
            self._core.layer.receive_response(message, now)
        elif isinstance(message, ReceivedRequest):
            self._receive_request(message, now)
        else:
            self._refuse_broken(message, now)

    def transport_failed(self, hop: Hop, now: float) -> None:
        """Nothing can be sent to `hop` (ICMP unreachable, refused or lost connection) (RFC 3261 section 8.1.3.1)."""
        self._core.layer.transport_failed(hop, now)
        self._registrar.transport_failed(hop)
        for registration in self._registrations.values():
            registration.transport_failed(hop, now)

    def handle_timers(self, now: float) -> None:
        self._core.agenda.handle_timers(now)

    # out
    def next_timer(self) -> float | None:
        return self._core.agenda.next_timer()

    def transmissions(self) -> list[Transmission]:
        """What is to be sent now; each is handed out once."""
        return self._core.take_transmissions()

    def events(self) -> list[SipEvent]:
        return self._core.take_events()

    @property
    def settled(self) -> bool:
        """No request of ours waits for its answer, no answer for its ACK: the socket may be closed."""
        waiting_acks = any(call.answers for call in self._calls.values())
        return not self._core.layer.waiting and not waiting_acks

    # calls we make
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
        """Send INVITE. 401/407 are answered with `credentials` by the endpoint itself, once (twice for stale=true).

        Raises `ValueError` for a URI that is none and for a `call_id` that is in use.
        """
        if call_id in self._calls:
            raise ValueError(f"there is a call {call_id} already")
        check_uri(target_uri)
        check_uri(from_uri)
        from_value = f"{quoted(display_name)} <{from_uri}>" if display_name else f"<{from_uri}>"
        invitation = Invitation(target_uri, hop, from_value, route, sdp, pinned=self._registrar.is_bound_hop(hop))
        call = OutgoingCall(self._core, call_id, invitation, DigestClient(credentials, hop.host), self._forget)
        self._calls[call_id] = call
        call.start(now)

    # calls that come in
    def ring(self, call_id: str, now: float, sdp: bytes = b"") -> None:
        """180, or 183 when `sdp` is given."""
        call = self._calls.get(call_id)
        if isinstance(call, IncomingCall):
            call.ring(sdp, now)

    def answer(self, call_id: str, sdp: bytes, now: float) -> None:
        call = self._calls.get(call_id)
        if isinstance(call, IncomingCall):
            call.answer(sdp, now)

    def reject(self, call_id: str, sip_code: int, now: float, phrase: str = "", contact_uri: str = "") -> None:
        call = self._calls.get(call_id)
        if isinstance(call, IncomingCall):
            call.reject(sip_code, phrase, contact_uri, now)

    # both
    def hang_up(self, call_id: str, now: float) -> None:
        """CANCEL, BYE or 603, as the state asks for; with its races (a 2xx that crosses the CANCEL is ACKed and BYEd).
        Unknown or ended calls are ignored. `CallEnded` follows at once, whatever the network still has to settle."""
        call = self._calls.get(call_id)
        if call is not None:
            call.hang_up(now)

    def send_info_digit(self, call_id: str, digit: str, now: float, duration_ms: int = 160) -> None:
        """Queued behind those pressed before. Raises `ValueError` for what is no key."""
        if len(digit) != 1 or digit not in DIGITS:
            raise ValueError(f"not a key: {digit!r}")
        call = self._calls.get(call_id)
        if call is not None:
            call.press(digit, duration_ms, now)

    def set_local_sdp(self, call_id: str, sdp: bytes) -> None:
        """What re-INVITEs and UPDATEs of this call are answered from (codec and address; direction is mirrored).
        Until it is called: the description that the call began with."""
        call = self._calls.get(call_id)
        if call is not None:
            call.local_sdp = sdp

    # registration, keep-alive
    def register(self, account: TrunkAccount, now: float) -> None:
        """Register, and keep registered, until `unregister`. An account of the same name is replaced."""
        self.unregister(account.name, now)
        registration = self._registrations[account.name] = Registration(self._core, account)
        registration.start(now)

    def unregister(self, name: str, now: float) -> None:
        registration = self._registrations.pop(name, None)
        if registration is not None:
            registration.stop(now)

    def send_options(self, uri: str, hop: Hop, now: float) -> str:
        """Returns the token of the `OptionsAnswered` that will follow."""
        check_uri(uri)
        token = secrets.token_hex(16)
        local = self._core.contact(hop)
        options = self._core.request(
            "OPTIONS", uri, hop, from_value=f"{local};tag={new_tag()}", to_value=f"<{uri}>", call_id=token, cseq=1
        )
        options.headers.set_single("Contact", local)
        for name, value in ACCEPT:
            options.headers.set_single(name, value)
        self._core.layer.request(options, hop, _Ping(self._core, token), now)
        return token

    def keep_open(self, hop: Hop) -> None:
        """Two empty lines, which are no message: an address translator on the way to `hop` goes on letting in what the
        far end sends (RFC 5626 section 4.4.1, RFC 3261 section 7.5)."""
        self._core.keep_open(hop)

    def set_accounts(self, accounts: dict[str, RegistrarAccount]) -> None:
        """Headset accounts changed (a user was added); bindings of accounts that are gone end."""
        self._registrar.set_accounts(accounts)

    def accept_calls_from(self, hosts: frozenset[str]) -> None:
        """The IP addresses whose INVITEs need no digest (the trunk's) are others now."""
        self._core.config = replace(self._core.config, accept_calls_from=hosts)

    # --- requests that came in

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.call_id, None)

    def _refuse_broken(self, broken: BrokenRequest, now: float) -> None:
        """Statelessly: nothing of such a request is worth remembering. To the address it came from."""
        if len(broken.message.headers.get("Via")) > MOST_VIAS:
            return  # the answer would be many times as long, and the address may be somebody else's
        self._core.send(bytes(build_refusal(broken, self._core.config.user_agent)), broken.source, now)

    def _receive_request(self, request: ReceivedRequest, now: float) -> None:
        if request.method == "ACK":
            self._receive_ack(request, now)
        elif self._core.layer.absorb_repeated(request, now):
            pass
        elif request.method == "CANCEL":
            self._receive_cancel(request, now)
        elif self._core.layer.serving >= MAX_SERVER_TRANSACTIONS and not self._is_inside_call(request):
            pass  # a flood: calls that are up go on, nobody new is heard
        elif self._core.layer.is_merged(request):
            self._core.reply(self._core.layer.open(request, now), 482, now)
        elif request.to_tag:
            self._receive_inside(request, now)
        else:
            self._receive_outside(request, now)

    def _is_inside_call(self, request: ReceivedRequest) -> bool:
        """A tag alone proves nothing: anybody can make one up."""
        call = self._calls.get(request.call_id)
        return call is not None and request.to_tag == call.local_tag

    def _receive_ack(self, request: ReceivedRequest, now: float) -> None:
        transaction = self._core.layer.invite_of(request)
        if transaction is not None:
            self._core.layer.receive_ack(transaction, now)
        call = self._calls.get(request.call_id)
        if call is not None and call.find_dialog(request) is not None:
            call.receive_ack(request, now)

    def _receive_cancel(self, request: ReceivedRequest, now: float) -> None:
        invite = self._core.layer.invite_of(request)
        transaction = self._core.layer.open(request, now)
        call = self._calls.get(request.call_id)
        if invite is None or invite.request.source.host != request.source.host:
            self._core.reply(transaction, 481, now, once=True)
            return
        self._core.reply(transaction, 200, now, to_tag=call.local_tag if call is not None else "")
        if isinstance(call, IncomingCall):
            call.receive_cancel(now)

    def _receive_inside(self, request: ReceivedRequest, now: float) -> None:
        transaction = self._core.layer.open(request, now)
        call = self._calls.get(request.call_id)
        if call is not None and call.takes_early_bye(request):
            self._core.reply(transaction, 200, now)
            return
        dialog = call.find_dialog(request) if call is not None else None
        if call is None or dialog is None:
            refusal = screen(request) or Refusal(481)
            self._core.reply(transaction, refusal.code, now, headers=refusal.headers, once=True)
            return
        receive_inside(self._core, call, dialog, transaction, now)

    def _receive_outside(self, request: ReceivedRequest, now: float) -> None:
        transaction = self._core.layer.open(request, now)
        refusal = screen(request)
        if refusal is not None:
            self._core.reply(transaction, refusal.code, now, phrase=refusal.phrase, headers=refusal.headers, once=True)
        elif request.method == "OPTIONS":
            stranger = request.source.host not in self._core.config.accept_calls_from
            headers = [("Allow", f"{ALLOW}, REGISTER"), *ACCEPT]
            self._core.reply(transaction, 200, now, headers=headers, once=stranger)
        elif request.method == "REGISTER":
            self._registrar.receive(transaction, now)
        elif request.method == "INVITE":
            self._receive_invite(transaction, now)
        else:
            self._core.reply(transaction, 481, now, once=True)

    def _receive_invite(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        refusal = self._refuse_caller(request, now)
        if refusal is not None:
            self._core.reply(transaction, refusal.code, now, headers=refusal.headers, once=True)
            log.info("call refused", source=request.source.host, sip_code=refusal.code)
            return
        call = IncomingCall(self._core, transaction, self._forget)
        self._calls[request.call_id] = call
        self._core.reply(transaction, 100, now)
        log.info("call", call=request.call_id, was="none", on="invite", now=CallState.OFFERED.value)
        self._core.emit(
            CallIncoming(
                request.call_id, request.from_uri, request.to_uri, request.uri, sdp_of(request), request.source
            )
        )

    def _refuse_caller(self, request: ReceivedRequest, now: float) -> Refusal | None:
        """Only the trunk may call. A headset is asked who it is and then told that headsets cannot dial out."""
        if request.source.host in self._core.config.accept_calls_from:
            # A Call-ID in use: our own INVITE came back to us.
            return Refusal(482) if request.call_id in self._calls else None
        if self._registrar.knows_host(request.source.host):
            proof, _ = self._digest.check(request, self._registrar.accounts, now)
            if proof is not Proof.GOOD:
                name = user_of(request.from_uri)
                challenges = self._registrar.challenges(
                    now, asker=request.source.host, username=name, stale=proof is Proof.STALE
                )
                return Refusal(401, headers=challenges)
        return Refusal(403)


class _Ping:
    """The user of an OPTIONS."""

    def __init__(self, core: Core, token: str) -> None:
        self._core = core
        self._token = token

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        if response.code >= 200:
            self._core.emit(OptionsAnswered(self._token, response.code))

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None:
        self._core.emit(OptionsAnswered(self._token, 0))
