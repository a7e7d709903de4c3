"""Reports to the far end (RFC 3550 section 6), read byte by byte, and from a real worker."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from dialer.media import rtcp
from dialer.media.board import Board
from dialer.media.controller import MediaConfig, MediaController
from dialer.media.leg import Leg
from dialer.media.reports import Reports
from tests.audio import tone
from tests.dialer.media.far_end import FarEnd
from tests.peers.addresses import own_address


def split(compound: bytes) -> list[bytes]:
    """The packets of a compound; each says its own length."""
    packets = []
    while compound:
        length = 4 * (1 + int.from_bytes(compound[2:4], "big"))
        assert compound[0] >> 6 == 2
        assert len(compound) >= length
        packets.append(compound[:length])
        compound = compound[length:]
    return packets


def test_a_sender_reports_what_it_sent_and_heard() -> None:
    heard = rtcp.Heard(0x22222222, 64, 3, 0x10005, 17, 0xAABBCCDD, 0x8000)
    first, described = split(rtcp.report(0x11111111, "abc", rtcp.Sent(5 << 32, 0x1_0000_0007, 10, 1600), heard))
    assert first[:8] == bytes.fromhex("81c8000c11111111")
    assert struct.unpack("!QIII", first[8:28]) == (5 << 32, 7, 10, 1600)
    assert struct.unpack("!IIIIII", first[28:]) == (0x22222222, 64 << 24 | 3, 0x10005, 17, 0xAABBCCDD, 0x8000)
    assert described == bytes.fromhex("81ca0003111111110103") + b"abc" + bytes(3)


def test_who_sends_nothing_reports_what_it_heard_or_that_it_is_there() -> None:
    heard = rtcp.Heard(2, 0, -1, 9, 0)
    assert split(rtcp.report(1, "abcd", None, heard))[0] == bytes.fromhex(
        "81c90007000000010000000200ffffff00000009000000000000000000000000"
    )
    empty, described, bye = split(rtcp.report(1, "ab", None, None, leaving=True))
    assert empty == bytes.fromhex("80c9000100000001")
    assert described == bytes.fromhex("81ca0003000000010102") + b"ab" + bytes(4)
    assert bye == bytes.fromhex("81cb000100000001")


def test_the_time_in_a_report_is_read_back() -> None:
    report = rtcp.report(7, "x", rtcp.Sent(0x1122334455667788, 0, 0, 0), None)
    assert rtcp.read_sender_report(report) == (7, 0x33445566)
    assert rtcp.ntp(0.5) == 2_208_988_800 << 32 | 1 << 31


@pytest.mark.parametrize("datagram", [b"", bytes(28), rtcp.report(1, "x", None, None), b"\x80\xc8" + bytes(20)])
def test_what_is_no_senders_report(datagram: bytes) -> None:
    assert rtcp.read_sender_report(datagram) is None


def test_where_there_is_no_port_above_nothing_is_sent() -> None:
    """The highest port is one like any other for sound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound:
        sound.bind((own_address(), 0))
        leg = Leg("client", sound, Board())
        leg.address = (own_address(), 65535)
        reports = Reports(leg)
        reports.send(0.0)
        reports.close(0.0)


async def test_a_far_end_is_told_what_became_of_its_stream_and_when_the_leg_is_closed() -> None:
    loop = asyncio.get_running_loop()
    end = FarEnd(host=own_address())
    controller = MediaController(MediaConfig(own_address()), lambda event: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as above:
        above.setblocking(False)
        above.bind((end.host, end.port + 1))
        await controller.start()
        try:
            local = await controller.open_leg("client")
            end.aim(local)
            await controller.connect_leg("client", end.media())

            async def reported() -> list[bytes]:
                async with asyncio.timeout(20):
                    compound, source = await loop.sock_recvfrom(above, 2048)
                assert source[:2] == (local.host, local.port + 1)
                return split(compound)

            await end.talk(tone(1004, 0.1))
            end.sequence = (end.sequence + 5) & 0xFFFF  # as if five packets were lost
            await end.talk(tone(1004, 0.1))
            first, described = await reported()
            while not (first[0] & 31 and int.from_bytes(first[33:36], "big")):  # before the loss was seen
                first, described = await reported()
            ours = end.packets[0]
            assert (first[1], int.from_bytes(first[4:8], "big")) == (rtcp.SENDER_REPORT, ours.ssrc)
            _, timestamp, packets, octets = struct.unpack("!QIII", first[8:28])
            assert (packets > 0, octets) == (True, packets * 160)
            assert 0 <= (timestamp - ours.timestamp) & 0xFFFFFFFF < 8000 * 30
            source, losses, highest, *_ = struct.unpack("!IIIIII", first[28:52])
            assert (source, losses & 0xFFFFFF, highest) == (end.ssrc, 5, 0x10000 + end.sequence - 1)
            assert losses >> 24 > 0
            assert described[1] == rtcp.SOURCE_DESCRIPTION
            await controller.close_leg("client")
            while (last := (await reported())[-1])[1] != rtcp.BYE:
                pass
            assert int.from_bytes(last[4:8], "big") == ours.ssrc
        finally:
            await controller.stop()
            end.close()
