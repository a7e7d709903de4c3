"""Recordings: the sound in ranges, its outline, and who listened."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from sqlalchemy import select

from crm import audit
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording, playable_recording
from crm.reading import views
from dialer.console.web.deps import DEPS, METRICS
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import scope_of, visitor, zone_of
from dialer.sound_files import sound_of
from dialer.words import mark
from recordings.errors import BrokenRecording, RangeNotSatisfiable, StoreError
from recordings.playback import ByteRange, parse_range, peaks

log = structlog.get_logger("dialer.console")

CHUNK_BYTES = 256 * 1024
_UNFIT_FOR_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*«»]+')  # of files, on any system
_LONGEST_NAME = 80
_NOT_OURS = frozenset({"file.changed", "file.not_sealed", "file.other_key"})
T = TypeVar("T")

SAME_LISTENING = timedelta(minutes=10)  # a player asks for many ranges; they are one deed


async def sound(request: web.Request) -> web.StreamResponse:
    """GET /recordings/{attempt_id}.wav, whole or in a range; `?download=1` to keep it."""
    recording = await _ready_recording(request)
    file = await _opened(request, recording)
    try:
        if request.method == hdrs.METH_GET:
            await _note_listening(request, recording.attempt_id)
        return await _answer(request, recording, file)
    finally:
        file.close()  # at once: a thread might not get to it when the service stops


async def _answer(request: web.Request, recording: Recording, file: BinaryIO) -> web.StreamResponse:
    size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{recording.sha256}"',
        "Content-Type": "audio/wav",
        "Content-Disposition": await _disposition(request, recording),
    }
    try:
        part = parse_range(request.headers.get(hdrs.RANGE), size)
    except RangeNotSatisfiable:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    wanted = part or ByteRange(0, size - 1, size)
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    if part:
        response.headers["Content-Range"] = part.content_range
    response.content_length = wanted.length
    if request.method != hdrs.METH_HEAD:
        await response.prepare(request)
        await _pour(file, wanted, response)
    return response


async def outline(request: web.Request) -> web.StreamResponse:
    """GET /recordings/{attempt_id}/peaks.json: `{"duration_s", "channels": [{"low", "high"}, …]}`."""
    recording = await _ready_recording(request)
    path = await _from_store(recording, request.app[DEPS].store.path)
    file = await _opened(request, recording)
    try:
        found = await asyncio.to_thread(peaks, path, sound_file=file)
    except BrokenRecording as error:
        raise _broken(recording, error) from error
    finally:
        file.close()
    # The file never changes once it is ready, so the outline may stay in the browser for the day.
    return web.json_response(found.as_json(), headers={"Cache-Control": "private, max-age=86400"})


async def _disposition(request: web.Request, recording: Recording) -> str:
    """What is kept is called by its moment and its client; whoever may hear it may know both."""
    if not request.query.get("download"):
        return f'inline; filename="{recording.attempt_id}.wav"'
    async with request.app[DEPS].database.reading() as session:
        call = await views.call(session, attempt_id=recording.attempt_id)
    at = call.opened_at.astimezone(zone_of(request))
    name = f"{at:%Y-%m-%d %H-%M} {_UNFIT_FOR_NAMES.sub(' ', call.organisation)}"[:_LONGEST_NAME].strip()
    plain = f'attachment; filename="{recording.attempt_id}.wav"'
    return f"{plain}; filename*=UTF-8''{quote(name + '.wav')}"  # RFC 6266 section 4.3


async def _ready_recording(request: web.Request) -> Recording:
    attempt_id = request.match_info["attempt_id"]
    async with request.app[DEPS].database.reading() as session:
        attempt = await session.get(Attempt, attempt_id)
        if attempt is None:
            raise Trouble.not_found()
        if not await scope_of(request).has_attempt(session, attempt_id):
            raise Trouble.not_for_you()
        return await playable_recording(session, attempt_id)


async def _note_listening(request: web.Request, attempt_id: str) -> None:
    deps, known = request.app[DEPS], visitor(request)
    now = deps.clock()
    entry = audit.AuditEntry
    noted = (
        select(entry.id)
        .where(entry.subject == f"attempt:{attempt_id}", entry.user_id == known.user_id)
        .where(entry.action == audit.RECORDING_LISTENED, entry.at > now - SAME_LISTENING)
        .limit(1)
    )
    async with deps.database.reading() as session:
        if await session.scalar(noted) is not None:
            return
    async with deps.database.transaction() as session:
        audit.recording_listened(session, attempt_id=attempt_id, user_id=known.user_id, now=now)
    request.app[METRICS].listened.inc()


async def _from_store(recording: Recording, read: Callable[[str], T]) -> T:
    try:
        return await asyncio.to_thread(read, recording.key)
    except StoreError as error:
        raise _broken(recording, error) from error


async def _opened(request: web.Request, recording: Recording) -> BinaryIO:
    deps = request.app[DEPS]
    try:
        return await asyncio.to_thread(sound_of, deps.store, recording, deps.database.office_key)
    except (StoreError, BrokenRecording) as error:
        raise _broken(recording, error) from error


def _broken(recording: Recording, error: StoreError | BrokenRecording) -> Trouble:
    log.error("recording cannot be read", call=recording.attempt_id, reason=str(error))
    if error.code in _NOT_OURS:
        return Trouble(
            503,
            mark("The file of this recording is not the one that was made of the call, so it is not played."),
            mark("Tell the administrator: the file was changed, or the office's key is another."),
        )
    return Trouble(
        503,
        mark("The recording cannot be read from its store just now."),
        mark("Try again later; if it lasts, tell the administrator to look at the recordings' folder."),
    )


async def _pour(file: BinaryIO, part: ByteRange, response: web.StreamResponse) -> None:
    await asyncio.to_thread(file.seek, part.first)
    left = part.length
    while left:
        chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
        if not chunk:
            break
        await response.write(chunk)
        left -= len(chunk)
    await response.write_eof()
