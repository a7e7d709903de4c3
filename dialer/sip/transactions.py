"""The transaction layer: finds the transaction that a message belongs to, and carries out what the machines say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aiosipua.message import SipRequest

from dialer.sip.client_transaction import ClientFault, ClientState, ClientTransaction, Output
from dialer.sip.events import Hop
from dialer.sip.message import ReceivedRequest, ReceivedResponse, read_via, response_hop
from dialer.sip.server_transaction import ServerKey, ServerState, ServerTransaction, server_key
from dialer.sip.timing import Agenda

Send = Callable[[bytes, Hop, float], None]


class TransactionUser(Protocol):
    """Who sent a request and waits for its answer."""

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None: ...

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None: ...


class _Client:
    """A client transaction with its user, as the agenda sees it."""

    def __init__(self, layer: TransactionLayer, transaction: ClientTransaction, user: TransactionUser) -> None:
        self._layer = layer
        self.transaction = transaction
        self.user = user

    def next_timer(self) -> float | None:
        return self.transaction.next_timer()

    def handle_timers(self, now: float) -> None:
        self._layer.carry_out(self, self.transaction.handle_timers(now), now)


class _Server:
    """A server transaction, as the agenda sees it."""

    def __init__(self, layer: TransactionLayer, transaction: ServerTransaction) -> None:
        self._layer = layer
        self.transaction = transaction

    def next_timer(self) -> float | None:
        return self.transaction.next_timer()

    def handle_timers(self, now: float) -> None:
        self._layer.transmit(self, self.transaction.handle_timers(now), now)


_MergeKey = tuple[str, str, str]  # Call-ID, CSeq, From tag (section 8.2.2.2)


class TransactionLayer:
    """All transactions of an endpoint."""

    def __init__(self, send: Send, agenda: Agenda) -> None:
        self._send = send
        self._agenda = agenda
        self._clients: dict[tuple[str, str], _Client] = {}
        self._servers: dict[ServerKey, _Server] = {}
        self._merge_keys: dict[_MergeKey, ServerKey] = {}

    @property
    def waiting(self) -> int:
        """Requests of ours without a final response."""
        finished = (ClientState.ACCEPTED, ClientState.COMPLETED)
        return sum(client.transaction.state not in finished for client in self._clients.values())

    @property
    def serving(self) -> int:
        """Server transactions that are remembered."""
        return len(self._servers)

    # --- ours

    def request(self, message: SipRequest, hop: Hop, user: TransactionUser, now: float) -> ClientTransaction:
        transaction = ClientTransaction(message, read_via(message.headers.get("via")[0]).branch, hop, now)
        client = self._clients[transaction.key] = _Client(self, transaction, user)
        self.carry_out(client, transaction.start(), now)
        return transaction

    def receive_response(self, response: ReceivedResponse, now: float) -> bool:
        """False when no transaction waits for it."""
        client = self._clients.get((response.branch, response.cseq_method))
        if client is None:
            return False
        self.carry_out(client, client.transaction.receive(response, now), now)
        return True

    def carry_out(self, client: _Client, outputs: list[Output], now: float) -> None:
        transaction = client.transaction
        if transaction.state is ClientState.TERMINATED:
            self._clients.pop(transaction.key, None)
        else:
            self._agenda.watch(client)
        for output in outputs:
            if isinstance(output, bytes):
                self._send(output, transaction.hop, now)
            elif isinstance(output, ClientFault):
                client.user.on_fault(transaction, output, now)
            else:
                client.user.on_response(transaction, output, now)

    def watch_client(self, transaction: ClientTransaction) -> None:
        """A timer of `transaction` was set from outside."""
        client = self._clients.get(transaction.key)
        if client is not None:
            self._agenda.watch(client)

    # --- theirs

    def absorb_repeated(self, request: ReceivedRequest, now: float) -> bool:
        """True when the request was a retransmission and has been dealt with."""
        server = self._servers.get(server_key(request))
        if server is None:
            return False
        self.transmit(server, server.transaction.receive_again(now), now)
        return True

    def invite_of(self, request: ReceivedRequest) -> ServerTransaction | None:
        """The INVITE that an ACK or CANCEL belongs to by its branch."""
        server = self._servers.get(server_key(request, "INVITE"))
        return server.transaction if server else None

    def receive_ack(self, transaction: ServerTransaction, now: float) -> None:
        transaction.receive_ack(now)
        server = self._servers.get(transaction.key)
        if server is not None:
            self.transmit(server, [], now)

    def is_merged(self, request: ReceivedRequest) -> bool:
        """The same request came by another way and is being answered there (section 8.2.2.2)."""
        return not request.to_tag and _merge_key(request) in self._merge_keys

    def open(self, request: ReceivedRequest, now: float) -> ServerTransaction:
        transaction = ServerTransaction(request, response_hop(request.via, request.source))
        server = self._servers[transaction.key] = _Server(self, transaction)
        if not request.to_tag:
            self._merge_keys[_merge_key(request)] = transaction.key
        self.transmit(server, [], now)
        return transaction

    def respond(self, transaction: ServerTransaction, wire: bytes, code: int, now: float) -> None:
        outputs = transaction.respond(wire, code, now)
        server = self._servers.get(transaction.key)
        if server is not None:
            self.transmit(server, outputs, now)

    def respond_once(self, transaction: ServerTransaction, wire: bytes, now: float) -> None:
        """As a stateless server (section 8.2.7): sent once, forgotten, and a repeated request is a new one."""
        self._forget(transaction)
        self._send(wire, transaction.hop, now)

    def transmit(self, server: _Server, outputs: list[bytes], now: float) -> None:
        transaction = server.transaction
        for wire in outputs:
            self._send(wire, transaction.hop, now)
        if transaction.state is ServerState.TERMINATED:
            self._forget(transaction)
        else:
            self._agenda.watch(server)

    def _forget(self, transaction: ServerTransaction) -> None:
        self._servers.pop(transaction.key, None)
        merge_key = _merge_key(transaction.request)
        if self._merge_keys.get(merge_key) == transaction.key:
            del self._merge_keys[merge_key]

    # --- both

    def transport_failed(self, hop: Hop, now: float) -> None:
        for client in [c for c in self._clients.values() if c.transaction.hop == hop]:
            self.carry_out(client, client.transaction.transport_failed(now), now)
        for server in [s for s in self._servers.values() if s.transaction.hop == hop]:
            server.transaction.transport_failed(now)
            self.transmit(server, [], now)


def _merge_key(request: ReceivedRequest) -> _MergeKey:
    return request.call_id, f"{request.cseq} {request.method}", request.from_tag
