"""The stages of a deal, and from which to which it may go."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class DealStage(enum.StrEnum):
    """How far a deal has come."""

    INTEREST = "interest"
    OFFER = "offer"
    NEGOTIATION = "negotiation"
    CONTRACT = "contract"
    LOST = "lost"


OPEN: Final = (DealStage.INTEREST, DealStage.OFFER, DealStage.NEGOTIATION)
"""In which somebody works on it; every deal begins in one of them."""

STAGE_MOVES: Final[Mapping[DealStage, frozenset[DealStage]]] = {
    **{stage: frozenset(DealStage) - {stage} for stage in OPEN},
    # A contract may be taken back; what was lost is opened again before it can be won.
    DealStage.CONTRACT: frozenset({*OPEN, DealStage.LOST}),
    DealStage.LOST: frozenset(OPEN),
}

ONWARD: Final[Mapping[DealStage, DealStage]] = {
    DealStage.INTEREST: DealStage.OFFER,
    DealStage.OFFER: DealStage.NEGOTIATION,
    DealStage.NEGOTIATION: DealStage.CONTRACT,
}
"""The next stage on the way to a contract."""


class MoveCause(enum.StrEnum):
    """Why a deal went to another stage."""

    CALL = "call"
    USER = "user"
    CORRECTION = "correction"
    """The outcome that had moved it was corrected or undone."""
