"""G.711: 8-bit logarithmic samples and 16-bit linear ones, both ways, by tables (ITU-T G.711 11/88, tables 1 and 2).

Linear samples are 16 bits wide, left-aligned: A-law's 13 bits and mu-law's 14 bits times 8 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

PCMU: Final = "PCMU"
PCMA: Final = "PCMA"

PAYLOAD_TYPES: Final[Mapping[str, int]] = MappingProxyType({PCMU: 0, PCMA: 8})
"""The static payload types of RFC 3551 section 6."""

CODECS: Final[Mapping[int, str]] = MappingProxyType({0: PCMU, 8: PCMA})

SILENCE: Final[Mapping[str, int]] = MappingProxyType({PCMU: 0xFF, PCMA: 0xD5})
"""The code of the smallest positive value."""


def _alaw_values() -> Samples:
    codes = np.arange(256) ^ 0x55
    segment = (codes & 0x70) >> 4
    step = codes & 0x0F
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


def _mulaw_values() -> Samples:
    codes = ~np.arange(256) & 0xFF
    magnitude = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_codes() -> npt.NDArray[np.uint8]:
    """Code of each 16-bit value, indexed by the value as unsigned. A negative value is folded by its complement, so
    that a value on a decision level goes to the interval away from zero on the positive side, towards it below."""
    linear = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    folded = np.where(linear < 0, ~linear, linear) >> 4
    segment = np.floor(np.log2(np.maximum(folded, 16))).astype(np.int32) - 4
    code = np.where(folded < 16, folded, (folded >> segment) - 16 + ((segment + 1) << 4))
    return ((code | np.where(linear >= 0, 0x80, 0)) ^ 0x55).astype(np.uint8)


def _mulaw_codes() -> npt.NDArray[np.uint8]:
    """As `_alaw_codes`; values beyond the last decision level are clipped."""
    linear = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum((np.where(linear < 0, ~linear, linear) >> 2) + 33, 0x1FFF)
    segment = np.floor(np.log2(biased)).astype(np.int32) - 5
    code = (segment << 4) | ((biased >> (segment + 1)) & 0x0F)
    codes: npt.NDArray[np.uint8] = (~(code | np.where(linear < 0, 0x80, 0)) & 0xFF).astype(np.uint8)
    return codes


DECODE: Final[Mapping[str, Samples]] = MappingProxyType({PCMA: _alaw_values(), PCMU: _mulaw_values()})
"""256 samples for each codec, indexed by the code."""

_ENCODE: Final = {PCMA: _alaw_codes(), PCMU: _mulaw_codes()}

_TRANSCODE: Final = {
    (source, target): _ENCODE[target][DECODE[source].view(np.uint16)].tobytes()
    for source in DECODE
    for target in DECODE
    if source != target
}


def decode(payload: bytes | bytearray | memoryview, codec: str) -> Samples:
    """Linear samples of `payload`. Raises `KeyError` for an unknown codec."""
    return DECODE[codec][np.frombuffer(payload, np.uint8)]


def encode(samples: Samples, codec: str) -> bytes:
    """G.711 codes of 16-bit `samples`. Raises `KeyError` for an unknown codec."""
    return _ENCODE[codec][np.ascontiguousarray(samples, np.int16).view(np.uint16)].tobytes()


def transcode_table(source: str, target: str) -> bytes | None:
    """256 bytes for `bytes.translate`, or None if the codecs are the same."""
    return None if source == target else _TRANSCODE[source, target]


def silence(codec: str, samples: int) -> bytes:
    return bytes([SILENCE[codec]]) * samples
