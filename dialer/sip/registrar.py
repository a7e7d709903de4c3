"""The registrar for headsets: who is where, and for how long (RFC 3261 section 10.3).

A binding is kept together with the hop that its REGISTER came from: behind NAT the Contact leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from dialer.sip.address import NameAddress, read_name_address, read_uri, user_of
from dialer.sip.auth import DigestServer, Proof
from dialer.sip.config import RegistrarAccount
from dialer.sip.core import Core
from dialer.sip.errors import Malformed
from dialer.sip.events import HeadsetRegistered, HeadsetUnregistered, Hop, Transport
from dialer.sip.message import Headers, ReceivedRequest
from dialer.sip.server_transaction import ServerTransaction

log = structlog.get_logger("dialer.sip")

MAX_BINDINGS = 8  # of one headset; the oldest gives way
DEFAULT_EXPIRES_S = 3600


@dataclass(slots=True)
class Binding:
    contact_uri: str
    hop: Hop
    expires_at: float
    call_id: str
    cseq: int


class Registrar:
    """Bindings of the configured headsets. The latest binding of a headset is the one that is called."""

    def __init__(self, core: Core, digest: DigestServer, accounts: Mapping[str, RegistrarAccount]) -> None:
        self._core = core
        self._digest = digest
        self._accounts = dict(accounts)
        self._bindings: dict[str, list[Binding]] = {}

    @property
    def accounts(self) -> Mapping[str, RegistrarAccount]:
        return self._accounts

    def set_accounts(self, accounts: Mapping[str, RegistrarAccount]) -> None:
        """Bindings of accounts that are gone, or whose password changed, end."""
        for headset in list(self._bindings):
            if accounts.get(headset) != self._accounts.get(headset):
                self._drop(headset, "account changed")
        self._accounts = dict(accounts)

    def challenges(self, now: float, *, asker: str, username: str = "", stale: bool = False) -> Headers:
        """What `username` has to prove. A name that we do not know is asked like any other."""
        algorithms = ["SHA-256", "MD5"] if self._core.config.offer_sha256 else ["MD5"]
        account = self._accounts.get(username)
        if account is not None and not account.ha1_md5:
            algorithms = ["SHA-256"]
        return [
            ("WWW-Authenticate", value) for value in self._digest.challenges(now, algorithms, asker=asker, stale=stale)
        ]

    def is_bound_hop(self, hop: Hop) -> bool:
        return any(binding.hop == hop for bindings in self._bindings.values() for binding in bindings)

    def knows_host(self, host: str) -> bool:
        return any(binding.hop.host == host for bindings in self._bindings.values() for binding in bindings)

    def transport_failed(self, hop: Hop) -> None:
        """A lost TCP connection takes the bindings that came over it with it."""
        if hop.transport is Transport.TCP:
            for headset, bindings in list(self._bindings.items()):
                kept = [binding for binding in bindings if binding.hop != hop]
                if len(kept) < len(bindings):
                    self._replace(headset, kept, "connection lost")

    # --- timers

    def next_timer(self) -> float | None:
        return min((b.expires_at for bindings in self._bindings.values() for b in bindings), default=None)

    def handle_timers(self, now: float) -> None:
        for headset, bindings in list(self._bindings.items()):
            kept = [binding for binding in bindings if binding.expires_at > now]
            if len(kept) < len(bindings):
                self._replace(headset, kept, "expired")

    # --- REGISTER

    def receive(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        proof, username = self._digest.check(request, self._accounts, now)
        if proof is not Proof.GOOD:
            headers = self.challenges(
                now, asker=request.source.host, username=user_of(request.to_uri), stale=proof is Proof.STALE
            )
            self._core.reply(transaction, 401, now, headers=headers, once=True)
            if proof is Proof.WRONG:
                log.warning(
                    "headset refused", headset=username[:64], source=request.source.host, why="wrong password or name"
                )
            return
        try:
            if user_of(request.to_uri) != username:
                raise Malformed(403, "Not Your Address")
            contacts = [read_name_address(value) for value in request.header_values("contact") if value.strip() != "*"]
            self._update(username, contacts, request, now)
        except Malformed as fault:
            headers = [("Min-Expires", str(self._core.config.registrar_min_expires_s))] if fault.sip_code == 423 else []
            self._core.reply(transaction, fault.sip_code, now, phrase=str(fault).partition(" ")[2], headers=headers)
            return
        self._core.reply(transaction, 200, now, headers=self._listed(username, now))
        self._core.agenda.watch(self)

    def _update(self, headset: str, contacts: list[NameAddress], request: ReceivedRequest, now: float) -> None:
        """All of it or nothing: every check comes before the first change."""
        bindings = list(self._bindings.get(headset, []))
        if any(value.strip() == "*" for value in request.header_values("contact")):
            if contacts or request.header("expires").strip() != "0":
                raise Malformed(400, "Contact * Needs Expires 0")
            contacts = [NameAddress(binding.contact_uri, {"expires": "0"}) for binding in bindings]
        active = bindings[-1] if bindings else None
        for contact in contacts:
            expires_s = self._expires_s(contact, request)
            old = next((binding for binding in bindings if binding.contact_uri == contact.uri), None)
            if old is not None:
                if old.call_id == request.call_id and request.cseq <= old.cseq:
                    raise Malformed(500, "CSeq Out Of Order")
                bindings.remove(old)
            if expires_s:
                read_uri(contact.uri)  # refuses what could not be called
                bindings.append(Binding(contact.uri, request.source, now + expires_s, request.call_id, request.cseq))
        if contacts:
            self._replace(headset, bindings[-MAX_BINDINGS:], "register", refreshed=bindings[-1:] != [active], now=now)

    def _expires_s(self, contact: NameAddress, request: ReceivedRequest) -> int:
        text = contact.parameters.get("expires") or request.header("expires").strip() or str(DEFAULT_EXPIRES_S)
        # Section 20.19: an unreadable value is taken as 3600.
        wanted = int(text) if re.fullmatch(r"[0-9]{1,10}", text) else DEFAULT_EXPIRES_S
        if 0 < wanted < self._core.config.registrar_min_expires_s:
            raise Malformed(423, "Interval Too Brief")
        return min(wanted, self._core.config.registrar_max_expires_s)

    def _replace(
        self, headset: str, bindings: list[Binding], why: str, *, refreshed: bool = False, now: float | None = None
    ) -> None:
        old = self._bindings.get(headset, [])
        if not bindings:
            self._drop(headset, why)
            return
        self._bindings[headset] = bindings
        active = bindings[-1]
        if refreshed or not old or old[-1] is not active:
            left = active.expires_at - now if now is not None else 0
            log.info("headset", headset=headset, on=why, now="registered", bindings=len(bindings))
            self._core.emit(HeadsetRegistered(headset, active.contact_uri, active.hop, round(left)))

    def _drop(self, headset: str, why: str) -> None:
        if self._bindings.pop(headset, None):
            log.info("headset", headset=headset, on=why, now="unregistered")
            self._core.emit(HeadsetUnregistered(headset))

    def _listed(self, headset: str, now: float) -> Headers:
        return [
            ("Contact", f"<{binding.contact_uri}>;expires={max(0, round(binding.expires_at - now))}")
            for binding in self._bindings.get(headset, [])
        ]
