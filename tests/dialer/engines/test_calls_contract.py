"""The engine contract: calls, from the INVITE to the one `LegEnded`."""

from __future__ import annotations

import uuid

import pytest

from dialer.telephony import HeadsetUnavailable, LegAnswered, LegEarlyMedia, LegEnd, LegRinging
from tests.dialer.engines.office import Office, practice_number

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY_ELSE = 0  # the practice client that answers at once


async def test_the_headset_is_called_and_hung_up(office: Office) -> None:
    operator = await office.operator()
    answered = await operator.until(LegAnswered)
    assert answered.codec in ("PCMA", "PCMU")
    await operator.leg.hang_up()
    assert (await operator.ended()).end is LegEnd.WE_HUNG_UP
    told = await office.headset.happened("ended", call_id=operator.leg.id)
    assert told["cause"] == "remote_bye"


async def test_the_headset_hangs_up(office: Office) -> None:
    operator = await office.operator()
    await operator.until(LegAnswered)
    await office.headset.hang_up()
    assert (await operator.ended()).end is LegEnd.REMOTE_HUNG_UP


async def test_a_headset_that_is_not_registered(office: Office) -> None:
    with pytest.raises(HeadsetUnavailable, match="boris"):
        await office.engine.call_headset("boris", call_id=uuid.uuid4().hex)


async def test_the_client_rings_answers_and_is_hung_up(office: Office) -> None:
    call_id = uuid.uuid4().hex
    client = await office.client(32, call_id=call_id)
    await client.until(LegAnswered)
    kinds = [type(event) for event in client.events]
    assert kinds.index(LegRinging) < kinds.index(LegAnswered)
    await client.leg.hang_up()
    assert (await client.ended()).end is LegEnd.WE_HUNG_UP
    logged = await office.carrier.logged(call_id)  # found by the Call-ID that came over the wire
    assert (logged.number, logged.ended_by, logged.confirmed) == (practice_number(32), "caller", True)


async def test_the_client_sees_the_number_that_the_campaign_shows(office: Office) -> None:
    """In From, as it came over the wire; without one the trunk's own."""
    seen = []
    for caller_id in ("+73420001299", ""):
        client = await office.client(20, caller_id=caller_id)
        await client.ended()
        seen.append((await office.carrier.logged(client.leg.id)).caller)
    assert seen[0] == "+73420001299"
    assert seen[1] not in ("", seen[0])


async def test_the_client_hangs_up(office: Office) -> None:
    client = await office.client(37)
    await client.until(LegAnswered)
    assert (await client.ended()).end is LegEnd.REMOTE_HUNG_UP
    assert (await office.carrier.logged(client.leg.id)).ended_by == "client"


@pytest.mark.parametrize(
    ("ending", "code"), [(20, 486), (22, 404), (23, 603), (28, 480), (29, 503), (30, 408), (31, 302), (38, 403)]
)
async def test_refusals_are_told_apart(office: Office, ending: int, code: int) -> None:
    client = await office.client(ending)
    ended = await client.ended()
    assert (ended.end, ended.sip_code) == (LegEnd.REFUSED, code)
    assert ended.phrase
    assert LegAnswered not in [type(event) for event in client.events]
    assert (await office.carrier.logged(client.leg.id)).sip_code == code


async def test_nobody_answers_in_time(office: Office) -> None:
    client = await office.client(21, ring_timeout_s=1.5)
    assert (await client.ended()).end is LegEnd.RING_TIMEOUT
    assert LegRinging in [type(event) for event in client.events]
    assert (await office.carrier.logged(client.leg.id)).ended_by == "cancelled"


async def test_we_give_up_before_the_answer(office: Office) -> None:
    client = await office.client(21)
    await client.until(LegRinging)
    await client.leg.hang_up()
    assert (await client.ended()).end is LegEnd.CANCELLED
    assert (await office.carrier.logged(client.leg.id)).ended_by == "cancelled"


async def test_we_give_up_at_once(office: Office) -> None:
    client = await office.client(21)
    await client.leg.hang_up()
    assert (await client.ended()).end is LegEnd.CANCELLED
    assert (await office.carrier.logged(client.leg.id)).ended_by == "cancelled"


async def test_sound_before_the_answer(office: Office) -> None:
    client = await office.client(26)
    await client.until(LegAnswered)
    kinds = [type(event) for event in client.events]
    assert kinds.index(LegEarlyMedia) < kinds.index(LegAnswered)
    await client.leg.hang_up()
    await client.ended()


async def test_what_is_done_to_an_ended_leg_does_nothing(office: Office) -> None:
    client = await office.client(20)
    ended = await client.ended()
    await client.leg.hang_up()
    await client.leg.send_digits("1")
    await client.leg.stop_playing()
    assert client.leg.ended == ended


async def test_a_call_id_is_used_once(office: Office) -> None:
    client = await office.client(21)
    await client.until(LegRinging)
    with pytest.raises(ValueError, match=client.leg.id):
        await office.client(21, call_id=client.leg.id)
    await client.leg.hang_up()
    await client.ended()


async def test_what_is_no_number_is_not_called(office: Office) -> None:
    with pytest.raises(ValueError, match="Route"):
        await office.engine.call_client(
            "+7342\r\nRoute: <sip:elsewhere>", call_id=uuid.uuid4().hex, beside=None, ring_timeout_s=5
        )


async def test_many_calls_at_once_are_kept_apart(office: Office) -> None:
    endings = {20: 486, 22: 404, 28: 480, 29: 503}
    clients = [(await office.client(ending), code) for ending, code in endings.items() for _ in range(3)]
    talking = [await office.client(NOBODY_ELSE) for _ in range(3)]
    for client, code in clients:
        assert (await client.ended()).sip_code == code
    for client in talking:
        await client.until(LegAnswered)
        await client.leg.hang_up()
        assert (await client.ended()).end is LegEnd.WE_HUNG_UP


async def test_digits_go_out(office: Office) -> None:
    operator = await office.operator()
    await operator.until(LegAnswered)
    await operator.leg.send_digits("1590*#")
    await office.heard_digits(operator, "1590*#")
    await operator.leg.hang_up()
    await operator.ended()


@pytest.mark.parametrize("digits", ["", "12x", "E", "1 2"])
async def test_what_is_no_digit_is_refused(office: Office, digits: str) -> None:
    client = await office.client(33)
    await client.until(LegAnswered)
    with pytest.raises(ValueError, match="tone"):
        await client.leg.send_digits(digits)
    await client.leg.hang_up()
    await client.ended()
