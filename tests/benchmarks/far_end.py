"""The far end of the signalling benchmarks, in a process of its own: answers every INVITE at once, notes when it came.

One UDP socket, no timers, no event loop, hence no retransmission of its answers: a lost packet shows as a call that is
not whole. It plays the trunk and, after `register`, every headset. Commands are JSON lines on standard input, answers
JSON lines on standard output; it ends with its standard input.

`python -m tests.benchmarks.far_end hammer HOST PORT SECONDS` shows how many calls a second another far end can take.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import socket
import sys
import time
from typing import Any

_HEADER = re.compile(rb"\r\n(via|from|to|call-id|cseq|www-authenticate|contact):[ \t]*([^\r]*)", re.IGNORECASE)
_PORT = re.compile(rb"\r\nm=audio (\d+) ")
_HOST = re.compile(rb"\r\nc=IN IP4 ([0-9.]+)")
_QUOTED = re.compile(rb'(\w+)="([^"]*)"')
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
_BUFFER = 4 << 20

Address = tuple[str, int]


def open_socket(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE, for root
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        except PermissionError:
            continue
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


class FarEnd:
    """`media`: the address that the n-th INVITE is answered with; by default that of a socket which nobody reads."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = open_socket(host)
        self.address: Address = self.socket.getsockname()
        self._sink = open_socket(host)
        self.media: list[Address] = []
        self.arrivals: dict[str, int] = {}
        self.offers: dict[str, Address] = {}
        self.acks: set[bytes] = set()
        self.byes: set[bytes] = set()
        self.registered = 0
        self.retransmitted = 0
        self._answers: dict[bytes, bytes] = {}
        self._passwords: dict[bytes, tuple[str, str, Address]] = {}

    def receive(self) -> None:
        """Everything that is there."""
        while True:
            try:
                packet, source = self.socket.recvfrom(65535)
            except BlockingIOError:
                return
            self._take(packet, source, time.monotonic_ns())

    def _take(self, packet: bytes, source: Address, now_ns: int) -> None:
        method = packet[:4]
        if method == b"ACK ":
            self.acks.add(_call_id(packet))
        elif method == b"INVI":
            self._answer(packet, source, now_ns)
        elif method == b"BYE ":
            self.byes.add(_call_id(packet))
            self.socket.sendto(_response(packet, b"200 OK"), source)
        elif method == b"SIP/":
            self._registrar_said(packet)
        else:
            self.socket.sendto(_response(packet, b"200 OK"), source)

    def _answer(self, packet: bytes, source: Address, now_ns: int) -> None:
        call_id = _call_id(packet)
        known = self._answers.get(call_id)
        if known is None:
            number = len(self._answers)
            host, port = self.media[number] if number < len(self.media) else self._sink.getsockname()
            body = _SDP.format(host=host, port=port).encode()
            contact = b"<sip:far@%s:%d>" % (self.address[0].encode(), self.address[1])
            known = self._answers[call_id] = _response(packet, b"200 OK", contact, body)
            self.arrivals[call_id.decode()] = now_ns
            offered_host, offered_port = _HOST.search(packet), _PORT.search(packet)
            if offered_host and offered_port:
                self.offers[call_id.decode()] = (offered_host[1].decode(), int(offered_port[1]))
        else:
            self.retransmitted += 1
        self.socket.sendto(known, source)

    # -- headsets

    def register(self, registrar: Address, users: list[str], password: str) -> None:
        """One after the other: the answers come by `receive`, and nothing is sent again."""
        self._passwords = {b"register-%d" % number: (user, password, registrar) for number, user in enumerate(users)}
        self._send_register(b"register-0", 1, "")

    def _send_register(self, call_id: bytes, cseq: int, authorization: str) -> None:
        user, _, registrar = self._passwords[call_id]
        host, port = self.address
        self.socket.sendto(
            (
                f"REGISTER sip:{registrar[0]}:{registrar[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call_id.decode()}-{cseq}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{user}@{registrar[0]}>;tag=far\r\nTo: <sip:{user}@{registrar[0]}>\r\n"
                f"Call-ID: {call_id.decode()}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{host}:{port}>\r\n"
                f"Expires: 3600\r\n{authorization}Content-Length: 0\r\n\r\n"
            ).encode(),
            registrar,
        )

    def _registrar_said(self, packet: bytes) -> None:
        call_id = _call_id(packet)
        if packet.startswith(b"SIP/2.0 401") and b"\r\nCSeq: 1 " in packet:
            challenge = dict(_QUOTED.findall(_headers(packet)[b"www-authenticate"][0]))
            self._send_register(call_id, 2, self._proof(call_id, challenge))
        elif packet.startswith(b"SIP/2.0 200") and call_id in self._passwords:
            self.registered += 1
            if self.registered == len(self._passwords):
                print(json.dumps({"registered": self.registered}), flush=True)
            else:
                self._send_register(b"register-%d" % self.registered, 1, "")

    def _proof(self, call_id: bytes, challenge: dict[bytes, bytes]) -> str:
        user, password, registrar = self._passwords[call_id]
        realm, nonce = challenge[b"realm"].decode(), challenge[b"nonce"].decode()
        uri = f"sip:{registrar[0]}:{registrar[1]}"
        mine = _md5(f"{user}:{realm}:{password}")
        response = _md5(f"{mine}:{nonce}:00000001:far:auth:{_md5(f'REGISTER:{uri}')}")
        return (
            f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, cnonce="far", nc=00000001\r\n'
        )

    def report(self) -> dict[str, Any]:
        return {
            "arrivals": self.arrivals,
            "offers": self.offers,
            "invites": len(self._answers),
            "acks": len(self.acks),
            "byes": len(self.byes),
            "registered": self.registered,
            "retransmitted_to_us": self.retransmitted,
            "cpu_s": sum(os.times()[:2]),
        }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _headers(packet: bytes) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in _HEADER.findall(packet):
        found.setdefault(name.lower(), []).append(value)
    return found


def _call_id(packet: bytes) -> bytes:
    return _headers(packet)[b"call-id"][0]


def _response(packet: bytes, status_line: bytes, contact: bytes = b"", body: bytes = b"") -> bytes:
    headers = _headers(packet)
    to = headers[b"to"][0]
    lines = [b"SIP/2.0 " + status_line]
    lines += [b"Via: " + via for via in headers[b"via"]]
    lines += [b"From: " + headers[b"from"][0], b"To: " + (to if b"tag=" in to else to + b";tag=far")]
    lines += [b"Call-ID: " + headers[b"call-id"][0], b"CSeq: " + headers[b"cseq"][0]]
    lines += [b"Contact: " + contact, b"Content-Type: application/sdp"] if body else []
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def serve() -> None:
    far_end = FarEnd()
    print(json.dumps({"address": far_end.address}), flush=True)
    poll = select.poll()
    poll.register(far_end.socket, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    commands = b""
    while True:
        for fd, _ in poll.poll():
            if fd == far_end.socket.fileno():
                far_end.receive()
                continue
            came = os.read(fd, 65536)
            if not came:
                return
            *lines, commands = (commands + came).split(b"\n")
            for line in lines:
                _obey(far_end, json.loads(line))


def _obey(far_end: FarEnd, command: dict[str, Any]) -> None:
    match command["do"]:
        case "register":
            host, port = command["registrar"]
            far_end.register((host, port), command["users"], command["password"])
        case "media":
            far_end.media = [(host, port) for host, port in command["addresses"]]
        case "report":
            print(json.dumps(far_end.report()), flush=True)


# -- what a far end can take ------------------------------------------------------------------------------------------


def hammer(to: Address, seconds: float, window: int = 16) -> dict[str, float]:
    """Calls out of ready-made messages, `window` of them at a time: INVITE, 200, ACK, BYE, 200."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((to[0], 0))
    sock.settimeout(2)
    me = "{}:{}".format(*sock.getsockname())
    begun, done, number = time.monotonic(), 0, 0
    while number < window:
        sock.sendto(_request("INVITE", number, me), to)
        number += 1
    while time.monotonic() - begun < seconds:
        packet = sock.recv(65535)
        which = int(_call_id(packet))
        if packet.find(b" INVITE\r\n") > 0:
            sock.sendto(_request("ACK", which, me), to)
            sock.sendto(_request("BYE", which, me), to)
        else:
            done += 1
            sock.sendto(_request("INVITE", number, me), to)
            number += 1
    return {"calls_a_second": round(done / (time.monotonic() - begun), 1)}


def _request(method: str, number: int, me: str) -> bytes:
    body = _SDP.format(host="127.0.0.1", port=9) if method == "INVITE" else ""
    return (
        f"{method} sip:far@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:me@{me}>;tag=me\r\nTo: <sip:far@127.0.0.1>\r\nCall-ID: {number}\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:me@{me}>\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


if __name__ == "__main__":
    if sys.argv[1:2] == ["hammer"]:
        print(json.dumps(hammer((sys.argv[2], int(sys.argv[3])), float(sys.argv[4]))))
    else:
        serve()
