"""Digest authentication, both sides: RFC 7616 and RFC 8760 (MD5, SHA-256, qop=auth), with RFC 2617 as a fallback."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import AuthChallenge, parse_auth, stringify_auth

from dialer.sip.config import RegistrarAccount
from dialer.sip.events import Credentials
from dialer.sip.guessing import GuessBrake
from dialer.sip.message import Headers, ReceivedRequest, ReceivedResponse

NONCE_LIFE_S = 300.0
_STRENGTH = {"SHA-256": 2, "MD5": 1}
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
_CHALLENGES = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


# --- answering challenges -----------------------------------------------------------------------------------------

_Protection = tuple[str, str]  # header that carries the answer, realm


@dataclass(slots=True)
class _Known:
    challenge: AuthChallenge
    count: int = 0  # of requests answered with this nonce


class DigestClient:
    """Answers the challenges of one peer with the credentials that are that peer's, and with no other's.

    `peer_host` is the IP address that the credentials may be used with: a challenge from elsewhere is not answered.
    """

    def __init__(self, credentials: Credentials | None, peer_host: str) -> None:
        self._credentials = credentials
        self._peer_host = peer_host
        self._known: dict[_Protection, _Known] = {}
        self._answered: Counter[_Protection] = Counter()

    def begin(self) -> None:
        """A new request (not the repetition of a challenged one) is about to be sent: it may be challenged again."""
        self._answered.clear()

    def take_challenge(self, response: ReceivedResponse) -> bool:
        """Learn from a 401 or 407. False: it cannot or must not be answered (again)."""
        if self._credentials is None or response.code not in _CHALLENGES or response.source.host != self._peer_host:
            return False
        challenge_header, answer_header = _CHALLENGES[response.code]
        strongest = strongest_challenges(response.header_values(challenge_header), self._credentials.realm)
        taken = False
        for realm, challenge in strongest.items():
            protection = (answer_header, realm)
            stale = challenge.params.get("stale", "").lower() == "true"
            if self._answered[protection] >= (2 if stale else 1):
                return False
            self._answered[protection] += 1
            self._known[protection] = _Known(challenge)
            taken = True
        return taken

    def headers(self, method: str, uri: str, to_host: str) -> Headers:
        """Authorization headers for a request about to be sent to `to_host`; each use counts (nc)."""
        if self._credentials is None or to_host != self._peer_host:
            return []
        user = SipDigestAuth(self._credentials.username, self._credentials.password)
        headers: Headers = []
        for protection, known in self._known.items():
            known.count += 1
            answer = build_credentials(
                user, known.challenge, method, uri, nonce_count=known.count, cnonce=secrets.token_hex(8)
            )
            if answer is not None:
                headers.append((protection[0], stringify_auth(answer)))
        return headers


def strongest_challenges(values: list[str], only_realm: str) -> dict[str, AuthChallenge]:
    """The strongest challenge that we can answer, for each realm (RFC 8760 section 2.4)."""
    best: dict[str, AuthChallenge] = {}
    for value in values:
        challenge = parse_auth(value)
        # aiosipua keeps parameter names as written, but they are case-insensitive.
        challenge.params = {name.lower(): text for name, text in challenge.params.items()}
        realm = challenge.params.get("realm", "")
        algorithm = challenge.params.get("algorithm", "MD5").upper()
        qop = [option.strip().lower() for option in challenge.params.get("qop", "auth").split(",")]
        usable = challenge.scheme.lower() == "digest" and algorithm in _STRENGTH and "auth" in qop
        if not usable or not challenge.params.get("nonce") or (only_realm and realm != only_realm):
            continue
        rival = best.get(realm)
        if rival is None or _STRENGTH[algorithm] > _STRENGTH[rival.params.get("algorithm", "MD5").upper()]:
            best[realm] = challenge
    return best


# --- demanding it --------------------------------------------------------------------------------------------------


class Proof(enum.Enum):
    """What a request's Authorization proves."""

    NONE = "none"  # no answer for our realm
    STALE = "stale"  # the right password on a nonce that is no longer good
    WRONG = "wrong"
    HELD = "held"  # too many wrong ones before it: it was not looked at
    GOOD = "good"


class DigestServer:
    """Demands digest authentication with nonces that carry their own proof: `time-random-signature`.

    Nothing is kept for a nonce until it was used with the right password; from then on its highest count, so that a
    recorded request cannot be replayed. Who names wrong passwords again and again is slowed down (`GuessBrake`).
    """

    def __init__(self, realm: str, secret: bytes = b"") -> None:
        self._realm = realm
        self._secret = secret or secrets.token_bytes(32)
        self._counts: dict[str, tuple[int, float]] = {}  # nonce -> highest count, end of life
        self._brake = GuessBrake()

    def challenges(
        self, now: float, algorithms: Sequence[str] = ("MD5",), *, asker: str, stale: bool = False
    ) -> list[str]:
        """Values for WWW-Authenticate, one for each algorithm; the strongest should stand first (RFC 8760). Only who
        is at the address of `asker` can answer: nobody proves who he is with somebody else's address on the packet."""
        nonce = self._new_nonce(now, asker)
        end = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self._realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}'
            for algorithm in algorithms
        ]

    def check(
        self, request: ReceivedRequest, accounts: Mapping[str, RegistrarAccount], now: float
    ) -> tuple[Proof, str]:
        """What the request proves, and the user name it speaks of ("" for `Proof.NONE`)."""
        for value in request.header_values("authorization"):
            answer = parse_auth(value, credentials=True)
            parameters = {name.lower(): text for name, text in answer.params.items()}
            if answer.scheme.lower() == "digest" and parameters.get("realm") == self._realm:
                username, address = parameters.get("username", ""), request.source.host
                if self._brake.holds(address, username, now):
                    return Proof.HELD, username
                proof = self._check_answer(request, parameters, accounts.get(username), now)
                if proof is Proof.WRONG:
                    self._brake.wrong(address, username, now)
                return proof, username
        return Proof.NONE, ""

    def _check_answer(
        self, request: ReceivedRequest, answer: dict[str, str], account: RegistrarAccount | None, now: float
    ) -> Proof:
        algorithm = answer.get("algorithm", "MD5").upper()
        ha1 = "" if account is None else {"MD5": account.ha1_md5, "SHA-256": account.ha1_sha256}.get(algorithm, "")
        if not ha1 or answer.get("uri") != request.uri:
            return Proof.WRONG
        expected = digest_response(algorithm, ha1, request.method, answer)
        if not hmac.compare_digest(expected.encode(), answer.get("response", "").lower().encode()):
            return Proof.WRONG
        nonce = answer.get("nonce", "")
        if not self._nonce_is_good(nonce, request.source.host, now):
            return Proof.STALE
        return Proof.GOOD if self._count_is_new(nonce, answer.get("nc", "1"), now) else Proof.STALE

    def _new_nonce(self, now: float, asker: str) -> str:
        body = f"{int(now * 1000):x}-{secrets.token_hex(8)}"
        return f"{body}-{self._sign(body, asker)}"

    def _sign(self, body: str, asker: str) -> str:
        return hmac.new(self._secret, f"{body}:{asker}:{self._realm}".encode(), hashlib.sha256).hexdigest()[:32]

    def _nonce_is_good(self, nonce: str, asker: str, now: float) -> bool:
        body, _, signature = nonce.rpartition("-")
        if not hmac.compare_digest(self._sign(body, asker).encode(), signature.encode()):
            return False
        made_at = int(body.partition("-")[0], 16) / 1000  # signed by us, so it is a number
        return now - made_at <= NONCE_LIFE_S

    def _count_is_new(self, nonce: str, nc: str, now: float) -> bool:
        try:
            count = int(nc, 16)
        except ValueError:
            return False
        self._counts = {known: kept for known, kept in self._counts.items() if kept[1] >= now}
        if count <= self._counts.get(nonce, (0, 0.0))[0]:
            return False
        self._counts[nonce] = (count, now + NONCE_LIFE_S)
        return True


def digest_response(algorithm: str, ha1: str, method: str, answer: Mapping[str, str]) -> str:
    """The `response` that RFC 7616 section 3.4.1 asks for, given H(A1) and the parameters of an answer."""

    def hashed(text: str) -> str:
        return _HASHES[algorithm](text.encode()).hexdigest()

    ha2 = hashed(f"{method}:{answer.get('uri', '')}")
    if "qop" not in answer:
        return hashed(f"{ha1}:{answer.get('nonce', '')}:{ha2}")
    middle = ":".join(answer.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
    return hashed(f"{ha1}:{middle}:{ha2}")
