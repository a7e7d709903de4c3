"""Dialogs: RFC 3261 section 12. What a request inside a dialog must say, and where it goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiosipua.message import SipRequest

from dialer.sip.address import hop_for, read_name_address
from dialer.sip.errors import Malformed
from dialer.sip.events import Hop
from dialer.sip.message import MAX_FORWARDS, ReceivedRequest, ReceivedResponse


@dataclass(slots=True)
class Dialog:
    """One dialog. `local` and `remote` are From/To values with their tags; `came_over` is the hop that carried the
    request that made it. With `pinned` everything goes back over that hop: the far end sits behind NAT, or its binding
    says so."""

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_tag: str
    local_cseq: int
    remote_cseq: int | None
    route_set: tuple[str, ...]
    remote_target: str
    came_over: Hop
    pinned: bool = False

    @classmethod
    def from_response(cls, invite: SipRequest, response: ReceivedResponse, hop: Hop, *, pinned: bool) -> Dialog:
        """The caller's side (section 12.1.2): route set reversed, target from Contact."""
        local = invite.headers.get("from")[0]
        return cls(
            call_id=response.call_id,
            local=local,
            local_tag=response.from_tag,
            remote=response.header("to"),
            remote_tag=response.to_tag,
            local_cseq=int(invite.headers.get("cseq")[0].split()[0]),
            remote_cseq=None,
            route_set=readable_routes(reversed(response.header_values("record-route"))),
            remote_target=contact_uri(response.header_values("contact")) or invite.uri,
            came_over=hop,
            pinned=pinned,
        )

    @classmethod
    def from_request(cls, invite: ReceivedRequest, local_tag: str, *, pinned: bool) -> Dialog:
        """The called side (section 12.1.1): route set in order, target from Contact."""
        return cls(
            call_id=invite.call_id,
            local=f"{invite.header('to')};tag={local_tag}",
            local_tag=local_tag,
            remote=invite.header("from"),
            remote_tag=invite.from_tag,
            local_cseq=0,
            remote_cseq=invite.cseq,
            route_set=readable_routes(invite.header_values("record-route")),
            remote_target=contact_uri(invite.header_values("contact")) or invite.from_uri,
            came_over=invite.source,
            pinned=pinned,
        )

    def accepts_cseq(self, cseq: int) -> bool:
        """Section 12.2.2: a request must not be older than the last one. Remembers it."""
        if self.remote_cseq is not None and cseq <= self.remote_cseq:
            return False
        self.remote_cseq = cseq
        return True

    def refresh_target(self, contacts: list[str]) -> None:
        """A target refresh request or its 2xx (section 12.2)."""
        self.remote_target = contact_uri(contacts) or self.remote_target

    def next_hop(self) -> Hop:
        """The first route, else the remote target (section 8.1.2)."""
        if self.pinned:
            return self.came_over
        uri = read_name_address(self.route_set[0]).uri if self.route_set else self.remote_target
        return hop_for(uri, self.came_over)

    def request(self, method: str, via: str, cseq: int | None = None) -> SipRequest:
        """A request inside the dialog, without Contact or body. The next CSeq number is taken unless `cseq` is given
        (ACK repeats that of its INVITE)."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self._uri_and_routes()
        request = SipRequest(method=method, uri=uri)
        request.headers.append("Via", via)
        for route in routes:
            request.headers.append("Route", route)
        request.headers.set_single("Max-Forwards", MAX_FORWARDS)
        request.headers.set_single("From", self.local)
        request.headers.set_single("To", self.remote)
        request.headers.set_single("Call-ID", self.call_id)
        request.headers.set_single("CSeq", f"{cseq} {method}")
        return request

    def _uri_and_routes(self) -> tuple[str, tuple[str, ...]]:
        """Section 12.2.1.1, with strict routers (no `lr`): they want to be in the Request-URI."""
        if not self.route_set:
            return self.remote_target, ()
        first = read_name_address(self.route_set[0]).uri
        if ";lr" in first.lower():
            return self.remote_target, self.route_set
        return first, (*self.route_set[1:], f"<{self.remote_target}>")


def readable_routes(values: Iterable[str]) -> tuple[str, ...]:
    """Without entries that could not be followed."""
    return tuple(value for value in values if contact_uri([value]))


def contact_uri(contacts: list[str]) -> str:
    """The first Contact's URI, "" when there is none that can be read."""
    for value in contacts:
        try:
            return read_name_address(value).uri
        except Malformed:
            continue
    return ""
