"""What is known of the recording of an attempt. The sound lies in the recording store under `key`."""

from __future__ import annotations

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    String,
    Text,
    and_,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from crm.calls.attempts import Attempt, Result
from crm.errors import Conflict, NotFound
from crm.mapping import Base, UtcDateTime, one_of


class RecordingState(enum.StrEnum):
    """How far a recording is."""

    WRITING = "writing"
    READY = "ready"
    FAILED = "failed"
    EXEMPT = "exempt"  # by policy or wish this call was not recorded


class Recording(Base):
    """One recording. `duration_s` in seconds; `rms_left` (operator) and `rms_right` (client) as parts of full scale,
    0..1; `bytes` is the size of the sound file; `failure` says in words what went wrong. `wrapped_key` opens a file
    that is `sealed`, with the office's key; of an erased one it is gone."""

    __tablename__ = "recordings"
    __table_args__ = (
        CheckConstraint(
            "state <> 'ready' OR (key <> '' AND length(sha256) = 64 AND duration_s IS NOT NULL AND frames IS NOT NULL"
            " AND rms_left IS NOT NULL AND rms_right IS NOT NULL AND bytes IS NOT NULL)",
            name="ready_is_whole",
        ),
        CheckConstraint("state <> 'failed' OR failure <> ''", name="failure_in_words"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), unique=True)
    key: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[RecordingState] = mapped_column(one_of(RecordingState, "state"))
    sha256: Mapped[str] = mapped_column(String(64), default="")
    duration_s: Mapped[float | None]
    frames: Mapped[int | None]
    rms_left: Mapped[float | None]
    rms_right: Mapped[float | None]
    bytes: Mapped[int | None]
    failure: Mapped[str] = mapped_column(Text, default="")
    wrapped_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    sealed: Mapped[bool] = mapped_column(default=False, server_default=false())
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @hybrid_property
    def playable(self) -> bool:
        """Whether there is sound: it is finished, and was not erased."""
        return self.state is RecordingState.READY and self.erased_at is None

    @playable.inplace.expression
    @classmethod
    def _playable_rows(cls) -> ColumnElement[bool]:
        return and_(cls.state == RecordingState.READY, cls.erased_at.is_(None))


async def open_recording(session: AsyncSession, *, attempt_id: str, key: str, wrapped_key: str = "") -> Recording:
    """A recording begins. Its `wrapped_key` is written now, long before it is used, so that no backup has a sealed file
    without its key. Raises `Conflict` when the attempt has one."""
    begun = Recording(attempt_id=attempt_id, key=key, state=RecordingState.WRITING, wrapped_key=wrapped_key)
    return await _add(session, begun)


async def exempt_recording(session: AsyncSession, *, attempt_id: str) -> Recording:
    """This attempt is not recorded, on purpose. Raises `Conflict` when it has a recording."""
    return await _add(session, Recording(attempt_id=attempt_id, state=RecordingState.EXEMPT))


async def settle_recording(
    session: AsyncSession,
    *,
    attempt_id: str,
    sha256: str,
    duration_s: float,
    frames: int,
    rms_left: float,
    rms_right: float,
    size_bytes: int,
) -> Recording:
    """The file is whole. After a crash in mid-call its length is also the talk time that nobody could note. Raises
    `NotFound`."""
    recording = await recording_of(session, attempt_id)
    recording.state = RecordingState.READY
    recording.sha256, recording.duration_s, recording.frames = sha256, duration_s, frames
    recording.rms_left, recording.rms_right, recording.bytes = rms_left, rms_right, size_bytes
    recording.failure = ""
    attempt = await session.get_one(Attempt, attempt_id)
    if attempt.result is Result.INTERRUPTED and attempt.answered_at is not None and attempt.talk_seconds is None:
        attempt.talk_seconds = duration_s
    await session.flush()
    return recording


async def fail_recording(session: AsyncSession, *, attempt_id: str, failure: str) -> Recording:
    """The recording is lost or broken; `failure` says why. Raises `NotFound`."""
    recording = await recording_of(session, attempt_id)
    recording.state = RecordingState.FAILED
    recording.failure = failure or "unknown"
    await session.flush()
    return recording


async def recording_of(session: AsyncSession, attempt_id: str) -> Recording:
    """Raises `NotFound`."""
    found = await find_recording(session, attempt_id)
    if found is None:
        raise NotFound("recording.unknown")
    return found


async def playable_recording(session: AsyncSession, attempt_id: str) -> Recording:
    """The one that can be listened to. Raises `NotFound`."""
    found = await recording_of(session, attempt_id)
    if not found.playable:
        raise NotFound("recording.unknown")
    return found


async def find_recording(session: AsyncSession, attempt_id: str) -> Recording | None:
    """The recording of this attempt, if it has one."""
    return await session.scalar(select(Recording).where(Recording.attempt_id == attempt_id))


async def unsettled_recordings(session: AsyncSession) -> list[Recording]:
    """Recordings that a stopped service left behind, to be finalised."""
    found = await session.scalars(
        select(Recording).where(Recording.state == RecordingState.WRITING).order_by(Recording.id)
    )
    return list(found)


@dataclass(frozen=True, slots=True)
class PlainCount:
    """Finished recordings that are not known to be sealed: the `keyed` the service
    seals within a minute, those from `before` there were keys only when somebody asks for it."""

    keyed: int
    before: int


async def count_plain(session: AsyncSession) -> PlainCount:
    """How many recordings are not sealed."""
    plain = select(func.count()).select_from(Recording).where(_is_plain())
    keyed = await session.scalar(plain.where(Recording.wrapped_key != "")) or 0
    before = await session.scalar(plain.where(Recording.wrapped_key == "")) or 0
    return PlainCount(keyed, before)


async def plain_recordings(
    session: AsyncSession, *, after_id: int, limit: int, keyed_only: bool = False
) -> list[Recording]:
    """Finished recordings that are not known to be sealed, with a key or without, the oldest first."""
    plain = select(Recording).where(_is_plain(), Recording.id > after_id).order_by(Recording.id).limit(limit)
    return list(await session.scalars(plain.where(Recording.wrapped_key != "") if keyed_only else plain))


def _is_plain() -> ColumnElement[bool]:
    return and_(Recording.playable, ~Recording.sealed)


async def give_key(session: AsyncSession, *, recording_id: int, wrapped_key: str) -> bool:
    """A recording from before there were keys gets one, to be sealed with. Whether it did: it may have been erased, or
    have got one from somebody else."""
    mine = update(Recording).where(Recording.id == recording_id, _is_plain(), Recording.wrapped_key == "")
    return await session.scalar(mine.values(wrapped_key=wrapped_key).returning(Recording.id)) is not None


async def ends_with_key(session: AsyncSession) -> list[Recording]:
    """Of the recordings that have a key the oldest and the newest."""
    keyed = select(Recording).where(Recording.wrapped_key != "").limit(1)
    ends = [await session.scalar(keyed.order_by(order)) for order in (Recording.id, Recording.id.desc())]
    return [end for end in ends if end is not None]


async def mark_sealed(session: AsyncSession, *, recording_id: int) -> None:
    """The file opens only with its key from now on."""
    await session.execute(update(Recording).where(Recording.id == recording_id).values(sealed=True))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An answered attempt that has ended and whose recording nobody has settled; `key` is "" when none was begun;
    `node` is the service that made the call."""

    attempt_id: str
    key: str
    node: str


async def unsettled(
    session: AsyncSession, *, ended_before: datetime, except_nodes: AbstractSet[str] = frozenset()
) -> list[Unsettled]:
    """Answered attempts that ended before that time without a ready, failed or exempt recording, but for those of the
    services that run (`except_nodes`), which settle their own."""
    rows = await session.execute(
        select(Attempt.id, Recording.key, Attempt.node)
        .outerjoin(Recording, Recording.attempt_id == Attempt.id)
        .where(
            Attempt.answered_at.is_not(None),
            ~Attempt.imported,
            Attempt.ended_at < ended_before,
            Attempt.node.not_in(except_nodes),
            or_(Recording.id.is_(None), Recording.state == RecordingState.WRITING),
        )
        .order_by(Attempt.ended_at)
    )
    return [Unsettled(attempt_id, key or "", node) for attempt_id, key, node in rows]


async def _add(session: AsyncSession, recording: Recording) -> Recording:
    if await find_recording(session, recording.attempt_id) is not None:
        raise Conflict("recording.exists")
    session.add(recording)
    await session.flush()
    return recording
