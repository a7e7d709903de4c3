"""Whose packets are taken: the SDP's address, or for a short while another that shows itself first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialer.media.controller import LegMeasured, MediaError, RemoteMedia
from tests.dialer.media.conftest import Media
from tests.dialer.media.far_end import FarEnd

SOUND = bytes(range(1, 161))
NOISE = bytes([0x2A]) * 160


async def exchange(sender: FarEnd, receiver: FarEnd, payload: bytes) -> None:
    """Until one of the sender's packets came through; it may take some while both sides are being joined."""
    sender.send(payload)
    await receiver.until(lambda packets: any(packet.payload == payload for packet in packets))


async def test_strangers_are_not_heard_once_the_far_end_spoke(media: Media) -> None:
    operator, client = await media.bridge()
    await exchange(client, operator, SOUND)
    stranger = media.far_end()
    stranger._to = client._to
    stranger.send(NOISE)
    await exchange(client, operator, bytes(reversed(SOUND)))
    assert not any(packet.payload == NOISE for packet in operator.packets)
    await exchange(operator, client, SOUND)  # and it is still the client that hears
    assert not any(packet.payload == SOUND for packet in stranger.packets)


async def test_a_far_end_behind_a_nat_is_learned_and_answered(media: Media) -> None:
    operator = await media.leg("operator")
    told, real = media.far_end(), media.far_end()
    real.aim(await media.controller.open_leg("client", beside="operator"))
    await media.controller.connect_leg("client", told.media())
    await media.controller.bridge("operator", "client")
    await exchange(real, operator, SOUND)
    await exchange(operator, real, SOUND)
    late_stranger = media.far_end()
    late_stranger._to = real._to
    late_stranger.send(NOISE)
    await exchange(real, operator, bytes(reversed(SOUND)))
    assert not any(packet.payload == NOISE for packet in operator.packets)


async def test_of_the_internet_only_a_machine_that_was_named_is_learned(media: Media) -> None:
    operator = await media.leg("operator")
    told, stranger = media.far_end(host="127.0.0.7"), media.far_end(host="127.0.0.9")
    another_port = media.far_end(host="127.0.0.7")
    local = await media.controller.open_leg("client", beside="operator")
    for end in (another_port, stranger):
        end.aim(local)
    # Nothing is ever sent to where the signalling came from.
    await media.controller.connect_leg("client", replace(told.media(), signalled_from="8.8.8.8"))
    await media.controller.bridge("operator", "client")
    stranger.send(NOISE)
    await exchange(another_port, operator, SOUND)
    await exchange(operator, another_port, SOUND)
    assert not any(packet.payload == NOISE for packet in operator.packets)


async def test_in_a_network_of_our_own_a_machine_may_have_several_addresses(media: Media) -> None:
    operator = await media.leg("operator")
    told, real = media.far_end(host="127.0.0.7"), media.far_end(host="127.0.0.8")
    real.aim(await media.controller.open_leg("client", beside="operator"))
    await media.controller.connect_leg("client", replace(told.media(), signalled_from="127.0.0.7"))
    await media.controller.bridge("operator", "client")
    await exchange(real, operator, SOUND)
    await exchange(operator, real, SOUND)


async def test_the_sdp_address_wins_while_the_window_is_open(media: Media) -> None:
    operator = await media.leg("operator")
    client, stranger = media.far_end(), media.far_end()
    local = await media.controller.open_leg("client", beside="operator")
    client.aim(local)
    stranger.aim(local)
    await media.controller.connect_leg("client", client.media())
    await media.controller.bridge("operator", "client")
    await exchange(stranger, operator, NOISE)
    await exchange(client, operator, SOUND)
    await exchange(operator, client, SOUND)
    count = len(stranger.packets)
    stranger.send(b"late" * 40)
    await exchange(client, operator, bytes(reversed(SOUND)))
    assert not any(packet.payload == b"late" * 40 for packet in operator.packets)
    assert not any(packet.payload == SOUND for packet in stranger.packets[count:])


async def test_nobody_is_learned_after_the_window(media: Media) -> None:
    operator = await media.leg("operator")
    client, stranger = media.far_end(), media.far_end()
    local = await media.controller.open_leg("client", beside="operator")
    client.aim(local)
    stranger.aim(local)
    await media.controller.connect_leg("client", client.media())
    await media.controller.bridge("operator", "client")
    await client.until(lambda packets: len(packets) > 110, timeout_s=20)  # silence, 50 a second: more than 2 s of it
    stranger.send(NOISE)
    await exchange(client, operator, SOUND)
    assert not any(packet.payload == NOISE for packet in operator.packets)


async def test_a_silent_far_end_may_still_be_learned_when_it_answers(media: Media) -> None:
    """183 and 200 often bear the same description, and between them lies the ringing: longer than any window."""
    operator = await media.leg("operator")
    told, real = media.far_end(), media.far_end()
    real.aim(await media.controller.open_leg("client", beside="operator"))
    await media.controller.connect_leg("client", told.media())
    await media.controller.bridge("operator", "client")
    await told.until(lambda packets: len(packets) > 110, timeout_s=20)  # more than 2 s
    await media.controller.connect_leg("client", told.media())
    await exchange(real, operator, SOUND)
    await exchange(operator, real, SOUND)


async def test_a_far_end_that_was_heard_is_not_learned_anew_when_it_answers(media: Media) -> None:
    operator = await media.leg("operator")
    client, stranger = media.far_end(), media.far_end()
    local = await media.controller.open_leg("client", beside="operator")
    client.aim(local)
    stranger.aim(local)
    await media.controller.connect_leg("client", client.media())
    await media.controller.bridge("operator", "client")
    await exchange(client, operator, SOUND)
    await media.controller.connect_leg("client", client.media())
    stranger.send(NOISE)
    await exchange(client, operator, bytes(reversed(SOUND)))
    assert not any(packet.payload == NOISE for packet in operator.packets)


async def test_a_stranger_who_was_quicker_loses_the_place_when_the_far_end_answers(media: Media) -> None:
    operator = await media.leg("operator")
    client, stranger = media.far_end(), media.far_end()
    local = await media.controller.open_leg("client", beside="operator")
    client.aim(local)
    stranger.aim(local)
    await media.controller.connect_leg("client", client.media())  # 183, and it rings in silence
    await media.controller.bridge("operator", "client")
    await exchange(stranger, operator, NOISE)
    count = len(stranger.packets)
    await stranger.until(lambda packets: len(packets) > count + 110, timeout_s=20)  # the window is over
    await media.controller.connect_leg("client", client.media())  # 200 with the same description
    await exchange(client, operator, SOUND)
    await exchange(operator, client, SOUND)


async def test_strangers_before_the_remote_is_known_are_dropped_and_counted(media: Media) -> None:
    client, stranger = media.far_end(), media.far_end()
    local = await media.controller.open_leg("client")
    client.aim(local)
    stranger.aim(local)
    for _ in range(3):
        stranger.send(NOISE)
    await media.controller.connect_leg("client", client.media())
    client.send(SOUND)
    measured = await media.until(LegMeasured, lambda event: event.received == 1)
    assert measured.dropped == 3


async def test_garbage_teaches_nothing_and_breaks_nothing(media: Media) -> None:
    operator, client = await media.bridge()
    assert client._to is not None
    for garbage in (b"", b"\x80", b"\x00" * 172, b"\x80\x08" + bytes(10), b"\xbf\xff" + b"\xff" * 170, b"x" * 2000):
        client.sock.sendto(garbage, client._to)
    await exchange(client, operator, SOUND)
    for garbage in (b"", b"\x80", b"\x00" * 172, b"\x9f\x88" + b"\xff" * 170, b"\x80\x08" + b"\xff" * 2046):
        client.sock.sendto(garbage, client._to)
    await exchange(client, operator, bytes(reversed(SOUND)))


async def test_a_re_invite_may_move_the_far_end(media: Media) -> None:
    operator, client = await media.bridge()
    await exchange(client, operator, SOUND)
    moved = media.far_end("PCMU")
    moved._to = client._to
    await media.controller.connect_leg("client", moved.media())
    moved.send(bytes([0xFF]) * 200)
    await operator.until(lambda packets: any(packet.payload == bytes([0xD5]) * 200 for packet in packets))
    operator.send(bytes([0xD5]) * 150)
    await moved.until(lambda packets: any(len(p.payload) == 150 and p.payload_type == 0 for p in packets))


@pytest.mark.parametrize(("host", "port"), [("example.invalid", 4000), ("127.0.0.1", 0), ("::1", 4000)])
async def test_an_address_that_cannot_be_sent_to_is_refused_in_words(media: Media, host: str, port: int) -> None:
    await media.controller.open_leg("client")
    with pytest.raises(MediaError, match=r"is not|another address family"):
        await media.controller.connect_leg("client", RemoteMedia(host, port, "PCMA", 8, None))
