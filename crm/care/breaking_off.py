"""Work in a thread that ends soon when the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

Asked = Callable[[], bool]
"""Whether the work is to be broken off: asked by the work itself, again and again."""

T = TypeVar("T")


async def in_thread(work: Callable[[Asked], T]) -> T:
    """What `work` returns. Where this task is cancelled the work is asked to end, and has ended when `CancelledError`
    comes out: no thread goes on that nobody waits for. What came of it then is nobody's."""
    asked = threading.Event()
    running = asyncio.create_task(asyncio.to_thread(work, asked.is_set))
    try:
        await asyncio.wait({running})
    except asyncio.CancelledError:
        asked.set()
        await asyncio.wait({running})
        running.exception()
        raise
    return running.result()
