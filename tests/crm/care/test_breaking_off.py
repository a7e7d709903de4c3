"""A thread that ends with the task that waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from crm.care.breaking_off import Asked, in_thread


async def test_what_it_returns_and_raises() -> None:
    assert await in_thread(lambda asked: asked()) is False
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda _: 1 // 0)


async def test_cancelled_it_asks_the_work_to_end_and_waits_for_that() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(asked: Asked) -> None:
        begun.set()
        while not asked():
            pass
        ended.set()
        raise OSError("half done")

    waiting = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
