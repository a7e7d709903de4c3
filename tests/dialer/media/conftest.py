from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from dialer.media.controller import MediaConfig, MediaController, MediaEvent
from tests.dialer.media.far_end import FarEnd

Event = TypeVar("Event", bound=MediaEvent)


class Media:
    """A controller with a real worker, far ends, and what the controller told."""

    def __init__(self) -> None:
        self.events: list[MediaEvent] = []
        self._told = asyncio.Event()
        self.controller = MediaController(MediaConfig(), self._tell)
        self._far_ends: list[FarEnd] = []

    def _tell(self, event: MediaEvent) -> None:
        self.events.append(event)
        self._told.set()

    async def until(self, kind: type[Event], wanted: Callable[[Event], bool] = lambda event: True) -> Event:
        """The first event of `kind` that is wanted, among those that came and those that will."""
        async with asyncio.timeout(20):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and wanted(event):
                        return event
                self._told.clear()
                await self._told.wait()

    def far_end(self, codec: str = "PCMA", host: str = "127.0.0.1") -> FarEnd:
        end = FarEnd(codec, host)
        self._far_ends.append(end)
        return end

    async def leg(self, name: str, codec: str = "PCMA", beside: str | None = None) -> FarEnd:
        """A leg that is open and connected to a new far end."""
        end = self.far_end(codec)
        end.aim(await self.controller.open_leg(name, beside=beside))
        await self.controller.connect_leg(name, end.media())
        return end

    async def bridge(self, operator_codec: str = "PCMA", client_codec: str = "PCMA") -> tuple[FarEnd, FarEnd]:
        operator = await self.leg("operator", operator_codec)
        client = await self.leg("client", client_codec, beside="operator")
        await self.controller.bridge("operator", "client")
        return operator, client

    def close(self) -> None:
        for end in self._far_ends:
            end.close()


@pytest.fixture
async def media() -> AsyncIterator[Media]:
    made = Media()
    await made.controller.start()
    yield made
    await made.controller.stop()
    made.close()
