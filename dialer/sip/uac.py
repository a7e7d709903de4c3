"""Calls that we make (RFC 3261 section 13.2): provisional answers, challenges, CANCEL and its races, forks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiosipua.message import SipRequest

from dialer.sip.auth import DigestClient
from dialer.sip.bodies import SDP_TYPE
from dialer.sip.call import Call, CallInput, CallState, read_q850, read_seconds
from dialer.sip.client_transaction import ClientFault, ClientTransaction
from dialer.sip.core import ALLOW, Core, Unheeded, sdp_of
from dialer.sip.dialog import Dialog, contact_uri
from dialer.sip.events import CallAnswered, CallEndCause, CallEnded, CallProgress, Hop
from dialer.sip.message import MAX_FORWARDS, ReceivedRequest, ReceivedResponse, new_tag

_AUTHORIZATION = ("Authorization", "Proxy-Authorization")


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom to call, and how it looks on the wire."""

    target_uri: str
    hop: Hop
    from_value: str  # without tag
    route: tuple[str, ...]
    sdp: bytes
    pinned: bool


class OutgoingCall(Call):
    """From our INVITE on."""

    def __init__(
        self, core: Core, call_id: str, invitation: Invitation, digest: DigestClient, forget: Callable[[Call], None]
    ) -> None:
        super().__init__(core, call_id, CallState.INVITING, new_tag(), forget)
        self.local_sdp = invitation.sdp
        self._invitation = invitation
        self._digest = digest
        self._cseq = 0
        self._transaction: ClientTransaction | None = None
        self._early: dict[str, Dialog] = {}  # by their tag
        self._hung_up_tags: set[str] = set()
        self._acks: dict[str, tuple[bytes, Hop]] = {}  # by their tag

    @property
    def digest(self) -> DigestClient:
        return self._digest

    def find_dialog(self, request: ReceivedRequest) -> Dialog | None:
        if request.to_tag != self.local_tag:
            return None
        if self.dialog is not None and self.dialog.remote_tag == request.from_tag:
            return self.dialog
        return self._early.get(request.from_tag)

    def takes_early_bye(self, request: ReceivedRequest) -> bool:
        """Their 2xx was lost or is late, and they have hung up already: when it comes the call is over at once."""
        if self.dialog is not None or request.method != "BYE" or request.to_tag != self.local_tag:
            return False
        self._hung_up_tags.add(request.from_tag)
        return True

    # --- commands

    def start(self, now: float) -> None:
        self._digest.begin()
        self._send_invite(now)

    def hang_up(self, now: float) -> None:
        if self.state is CallState.TALKING:
            self.step(CallInput.HANG_UP, now)
            self.send_bye(now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_BYE))
        elif self.state in (CallState.INVITING, CallState.RINGING):
            may_cancel = self.state is CallState.RINGING
            self.step(CallInput.HANG_UP, now)
            if may_cancel:
                self._send_cancel(now)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_CANCEL))

    # --- answers to the INVITE

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        if response.code < 200:
            self._on_provisional(response, now)
        elif response.code < 300:
            self._on_success(transaction, response, now)
        else:
            self._on_failure(response, now)

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None:
        if self.state is CallState.ENDED:
            return
        self.step(CallInput.FAULT, now)
        cause = CallEndCause.TIMEOUT if fault is ClientFault.TIMEOUT else CallEndCause.TRANSPORT
        self.tell_end(CallEnded(self.call_id, cause))

    def _on_provisional(self, response: ReceivedResponse, now: float) -> None:
        was = self.state
        self.step(CallInput.PROVISIONAL, now)
        if was is CallState.GIVING_UP:
            self._send_cancel(now)
        if response.code == 100 or self.state is not CallState.RINGING:
            return
        if response.to_tag and response.to_tag not in self._early:
            self._early[response.to_tag] = self._dialog_from(response)
        self.core.emit(CallProgress(self.call_id, response.code, sdp_of(response)))

    def _on_success(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        known = self._acks.get(response.to_tag)
        if known is not None:
            self.core.send(*known, now)
            return
        dialog = self._dialog_from(response, transaction.request)
        self._acknowledge(transaction.request, dialog, now)
        was = self.state
        if was is CallState.TALKING:  # another branch of a fork answered as well (section 13.2.2.4)
            self._early[response.to_tag] = dialog
            self.send_bye(now, dialog)
            return
        self.step(CallInput.SUCCESS, now)
        if self.state is CallState.TALKING:
            self.dialog = dialog
            if response.to_tag in self._hung_up_tags:
                self.step(CallInput.BYE, now)
                self.tell_end(CallEnded(self.call_id, CallEndCause.REMOTE_BYE))
            else:
                self.core.emit(CallAnswered(self.call_id, sdp_of(response)))
        else:  # it crossed our CANCEL, or is a late branch of a call that is over
            self._early[response.to_tag] = dialog
            self.send_bye(now, dialog)
            self.tell_end(CallEnded(self.call_id, CallEndCause.LOCAL_CANCEL))

    def _on_failure(self, response: ReceivedResponse, now: float) -> None:
        wanted = self.state in (CallState.INVITING, CallState.RINGING)
        if wanted and response.code in (401, 407) and self._digest.take_challenge(response):
            self.step(CallInput.CHALLENGE, now)
            self._early.clear()
            self._send_invite(now)
            return
        if self.state is CallState.ENDED:
            return
        self.step(CallInput.FAILURE, now)
        self.tell_end(
            CallEnded(
                self.call_id,
                CallEndCause.REFUSED,
                sip_code=response.code,
                phrase=response.phrase,
                q850=read_q850(response.header_values("reason")),
                retry_after_s=read_seconds(response.header("retry-after")),
                contact_uri=contact_uri(response.header_values("contact")) if response.code < 400 else "",
            )
        )

    # --- requests

    def _send_invite(self, now: float) -> None:
        self._cseq += 1
        invitation, hop = self._invitation, self._invitation.hop
        invite = self.core.request(
            "INVITE",
            invitation.target_uri,
            hop,
            from_value=f"{invitation.from_value};tag={self.local_tag}",
            to_value=f"<{invitation.target_uri}>",
            call_id=self.call_id,
            cseq=self._cseq,
        )
        for route in invitation.route:
            invite.headers.append("Route", route)
        invite.headers.set_single("Contact", self.core.contact(hop))
        invite.headers.set_single("Allow", ALLOW)
        for name, value in self._digest.headers("INVITE", invite.uri, hop.host):
            invite.headers.append(name, value)
        if invitation.sdp:
            invite.headers.set_single("Content-Type", SDP_TYPE)
            invite.body = invitation.sdp
        self._transaction = self.core.layer.request(invite, hop, self, now)

    def _send_cancel(self, now: float) -> None:
        """Section 9.1: everything but the CSeq method as in the INVITE, on the same branch."""
        transaction = self._transaction
        assert transaction is not None  # there is no CANCELLING without an INVITE
        invite = transaction.request
        cancel = SipRequest(method="CANCEL", uri=invite.uri)
        cancel.headers.append("Via", invite.headers.get("via")[0])
        for route in invite.headers.get("route"):
            cancel.headers.append("Route", route)
        cancel.headers.set_single("Max-Forwards", MAX_FORWARDS)
        for name in ("From", "To", "Call-ID"):
            cancel.headers.set_single(name, invite.headers.get(name)[0])
        cancel.headers.set_single("CSeq", f"{self._cseq} CANCEL")
        self.core.layer.request(cancel, transaction.hop, Unheeded(), now)
        transaction.limit(now)
        self.core.layer.watch_client(transaction)

    def _acknowledge(self, invite: SipRequest, dialog: Dialog, now: float) -> None:
        """ACK to a 2xx: a request of its own inside the dialog, with the INVITE's CSeq number and credentials
        (section 13.2.2.4)."""
        hop = dialog.next_hop()
        ack = dialog.request("ACK", self.core.via(hop), cseq=int(invite.headers.get("cseq")[0].split()[0]))
        if hop.host == self._invitation.hop.host:
            for name in _AUTHORIZATION:
                for value in invite.headers.get(name):
                    ack.headers.append(name, value)
        wire = bytes(ack)
        self._acks[dialog.remote_tag] = (wire, hop)
        self.core.send(wire, hop, now)

    def _dialog_from(self, response: ReceivedResponse, invite: SipRequest | None = None) -> Dialog:
        if invite is None:
            assert self._transaction is not None  # responses come to transactions
            invite = self._transaction.request
        return Dialog.from_response(invite, response, self._invitation.hop, pinned=self._invitation.pinned)
