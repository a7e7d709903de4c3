"""Requests that come inside a dialog: BYE, re-INVITE, UPDATE, INFO, OPTIONS, and what we do not do (section 12.2.2)."""

from __future__ import annotations

import functools
import re

from dialer.sip.address import bracketed
from dialer.sip.bodies import SDP_TYPE
from dialer.sip.call import Call, CallState, OnAck
from dialer.sip.core import ALLOW, Core, sdp_of
from dialer.sip.dialog import Dialog
from dialer.sip.errors import NotAcceptable
from dialer.sip.events import CallReoffered, InfoDigit
from dialer.sip.message import Headers, ReceivedRequest
from dialer.sip.screening import ACCEPT, Refusal, refuse_extensions, refuse_method
from dialer.sip.sdp import build_answer, build_later_offer
from dialer.sip.server_transaction import ServerTransaction

DIGITS = "0123456789*#ABCD"
_LONGEST_DIGIT = 256  # bytes; "Signal=5" with its duration is thirty
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}  # RFC 4733 event numbers
_EARLY = (CallState.INVITING, CallState.RINGING, CallState.GIVING_UP, CallState.CANCELLING)


def receive_inside(core: Core, call: Call, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
    """Answer a request that belongs to `dialog` of `call`."""
    request = transaction.request
    refusal = _refuse(call, dialog, request)
    if refusal is not None:
        core.reply(transaction, refusal.code, now, phrase=refusal.phrase, headers=refusal.headers)
        return
    if request.method == "BYE":
        core.reply(transaction, 200, now)
        if call.state is not CallState.ENDED and dialog is call.dialog:
            call.receive_bye(request, now)
    elif request.method in ("INVITE", "UPDATE"):
        _answer_offer(core, call, dialog, transaction, now)
    elif request.method == "INFO":
        _take_info(core, call, transaction, now)
    else:
        core.reply(transaction, 200, now, headers=[("Allow", ALLOW), *ACCEPT])


def _refuse(call: Call, dialog: Dialog, request: ReceivedRequest) -> Refusal | None:
    if not dialog.accepts_cseq(request.cseq):
        return Refusal(500, "CSeq Out Of Order")
    if request.method == "REGISTER":
        return Refusal(405, headers=[("Allow", ALLOW)])
    refusal = refuse_method(request) or refuse_extensions(request)
    if refusal is not None:
        return refusal
    lost_fork = call.dialog is not None and dialog is not call.dialog
    if (call.state is CallState.ENDED or lost_fork) and request.method != "BYE":
        return Refusal(481)
    return None


def _answer_offer(core: Core, call: Call, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
    """A re-INVITE or UPDATE. A refusal changes nothing: the call goes on as it was (section 14.1)."""
    request = transaction.request
    pending = _offer_pending(call, request)
    if pending is not None:
        core.reply(transaction, pending.code, now, headers=pending.headers)
        return
    offer = sdp_of(request)
    if request.body and not offer:
        core.reply(transaction, 415, now, headers=ACCEPT)
        return
    answer = b""
    on_ack: OnAck | None = None
    if request.body:
        try:
            answer = build_answer(offer, call.local_sdp, version_step=call.reoffers + 1)
        except NotAcceptable as fault:
            core.reply(
                transaction,
                488,
                now,
                headers=[("Warning", f'399 {bracketed(core.config.host)} "{_plain(str(fault))}"')],
            )
            return
        call.reoffers += 1
    elif request.method == "INVITE" and call.local_sdp:  # no offer: ours goes into the 200, theirs into the ACK
        call.reoffers += 1
        answer = build_later_offer(call.local_sdp, version_step=call.reoffers)
        on_ack = functools.partial(_take_answer, core, call, answer)
    dialog.refresh_target(request.header_values("contact"))
    headers: Headers = [("Contact", core.contact(transaction.hop)), ("Allow", ALLOW)]
    if answer:
        headers.append(("Content-Type", SDP_TYPE))
    wire = core.reply(transaction, 200, now, headers=headers, body=answer)
    if request.method == "INVITE":
        call.await_ack(transaction, wire, now, on_ack)
    if request.body:
        core.emit(CallReoffered(call.call_id, offer, answer))


def _take_answer(core: Core, call: Call, offer: bytes, ack: ReceivedRequest) -> None:
    """The ACK to a 200 with an offer of ours answers that offer (RFC 3261 section 13.2.1)."""
    answer = sdp_of(ack)
    if answer:
        core.emit(CallReoffered(call.call_id, answer, offer))


def _offer_pending(call: Call, request: ReceivedRequest) -> Refusal | None:
    """Glare (section 14.2, RFC 3311 section 5.2)."""
    if request.method == "UPDATE" and not request.body:
        return None
    if call.state in _EARLY:
        return Refusal(491)  # an INVITE of ours is on its way
    if call.state is CallState.OFFERED:
        return Refusal(500, headers=[("Retry-After", "2")])
    if request.method == "UPDATE" and call.answers:
        return Refusal(491)
    return None


def _take_info(core: Core, call: Call, transaction: ServerTransaction, now: float) -> None:
    request = transaction.request
    if len(request.body) > _LONGEST_DIGIT:
        core.reply(transaction, 413, now)
        return
    kind = request.header("content-type").split(";")[0].strip().lower()
    if request.body and kind not in ("application/dtmf-relay", "application/dtmf"):
        core.reply(transaction, 415, now, headers=[("Accept", "application/dtmf-relay, application/dtmf")])
        return
    core.reply(transaction, 200, now)
    digit, duration_ms = read_digit(request.body.decode("utf-8", errors="replace"), kind)
    if digit:
        core.emit(InfoDigit(call.call_id, digit, duration_ms))


def read_digit(body: str, kind: str) -> tuple[str, int]:
    """`Signal=5\\r\\nDuration=160` or, as application/dtmf, `5`. ("", 0) when it is no digit."""
    duration_ms = 160
    if kind == "application/dtmf":
        signal = body.strip()
    else:
        found = re.search(r"^[ \t]*Signal[ \t]*=[ \t]*(\S+)", body, re.IGNORECASE | re.MULTILINE)
        signal = found[1] if found else ""
        length = re.search(r"^[ \t]*Duration[ \t]*=[ \t]*([0-9]{1,5})[ \t\r]*$", body, re.IGNORECASE | re.MULTILINE)
        duration_ms = int(length[1]) if length else duration_ms
    digit = _NUMBERED.get(signal, signal.upper())
    return (digit, duration_ms) if len(digit) == 1 and digit in DIGITS else ("", 0)


def _plain(text: str) -> str:
    return re.sub(r"[^\w ,./'-]", "", text, flags=re.ASCII)
