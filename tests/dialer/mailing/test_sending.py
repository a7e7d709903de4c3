"""The outbox, the service's mailer and a mail server on loopback, over SMTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.clientele.clients import get_client
from crm.database import Database
from crm.mail import outbox
from crm.mail.outbox import MailState, OutgoingMail, send_again
from crm.office.users import get_user
from crm.plan.callbacks import agree, open_callback, withdraw
from crm.plan.handovers import hand_over_all
from crm.plan.promise_mail import set_mail
from crm.wrap_up.outcomes import OutcomeForm
from crm.wrap_up.undo import undo
from dialer.mailing.patience import MailHealth
from dialer.reasons import Reason, unpacked
from tests.crm.builders import LEASE_S, World, wall
from tests.dialer.mailing.conftest import DUE, WRITTEN, Post, entry_of, start_of

HOUR = timedelta(hours=1)


async def reader(world: World, address: str = "anna@example.ru", name: str = "Анна") -> int:
    user_id = await world.operator(name)
    async with world.transaction() as session:
        user = await get_user(session, user_id)
        await set_mail(session, user=user, email=address, callbacks=True, now=WRITTEN)
    return user_id


async def promise(post: Post, client_id: int, owner_id: int, shown: str = "2026-11-25T11:00") -> None:
    async with post.world.transaction() as session:
        client = await get_client(session, client_id)
        await agree(
            session, client=client, owner_id=owner_id, local_at=wall(shown), now=post.now, words="в среду",
            asked_by="Петрова Анна",
        )  # fmt: skip


async def rows(world: World) -> list[OutgoingMail]:
    async with world.database.reading() as session:
        return list(await session.scalars(select(OutgoingMail).order_by(OutgoingMail.id)))


async def states(world: World) -> list[MailState]:
    return [mail.state for mail in await rows(world)]


async def sent(post: Post) -> None:
    """What was written at `post.now` goes out."""
    post.now += outbox.GOES_OUT_AFTER
    await post.mailer().look()


async def test_a_promise_arrives_once_ten_seconds_have_passed(post: Post) -> None:
    post.now = WRITTEN
    await promise(post, await post.world.client("Северный ветер"), await reader(post.world))
    mailer = post.mailer()
    post.now = WRITTEN + timedelta(seconds=10)
    await mailer.look()
    assert post.box.taken == []
    post.now = DUE
    for _ in range(3):
        await mailer.look()
    ((address, _),) = post.box.taken
    assert address == "anna@example.ru"
    (letter,) = post.box.letters
    assert letter["From"] == "Dialer <dialer@example.ru>"
    assert letter["Subject"] == "Перезвонить: Северный ветер, ср 25 ноября, 11:00"
    method, event = entry_of(letter)
    assert (method, event["SEQUENCE"]) == ("REQUEST", 0)
    assert str(event["ATTENDEE"]) == "mailto:anna@example.ru"
    assert await states(post.world) == [MailState.SENT]


async def test_an_outcome_undone_in_time_is_never_sent(post: Post) -> None:
    anna, client_id = await reader(post.world), await post.world.client()
    attempt_id = await post.world.call(client_id, anna)
    form = OutcomeForm("callback", callback_at_local=wall("2026-11-25T11:00"), asked_by="Петрова")
    await post.world.outcome(attempt_id, form, anna, at=post.now)
    mailer = post.mailer()
    post.now += timedelta(seconds=9)
    await mailer.look()
    async with post.world.transaction() as session:
        await undo(session, attempt_id=attempt_id, operator_id=anna, now=post.now, lease_s=LEASE_S)
    post.now += HOUR
    await mailer.look()
    assert post.box.taken == []


async def test_moved_handed_over_and_withdrawn(post: Post) -> None:
    anna, boris = await reader(post.world), await reader(post.world, "boris@example.ru", "Борис")
    client_id = await post.world.client()
    await promise(post, client_id, anna)
    await sent(post)
    await promise(post, client_id, anna, "2026-11-26T15:00")
    await sent(post)
    async with post.world.transaction() as session:
        of, to = await get_user(session, anna), await get_user(session, boris)
        await hand_over_all(session, of=of, to=to, now=post.now)
    await sent(post)
    async with post.world.transaction() as session:
        found = await open_callback(session, client_id)
        assert found is not None
        await withdraw(session, callback_id=found.id, now=post.now)
    await sent(post)
    read = [entry_of(letter) for letter in post.box.letters]
    told = [
        (address, method, event.decoded("SEQUENCE"), str(event["STATUS"]))
        for (address, _), (method, event) in zip(post.box.taken, read, strict=True)
    ]
    assert told == [
        ("anna@example.ru", "REQUEST", 0, "CONFIRMED"),
        ("anna@example.ru", "REQUEST", 1, "CONFIRMED"),
        ("anna@example.ru", "CANCEL", 2, "CANCELLED"),
        ("boris@example.ru", "REQUEST", 2, "CONFIRMED"),
        ("boris@example.ru", "CANCEL", 3, "CANCELLED"),
    ]
    assert len({str(event["UID"]) for _, event in read}) == 1
    starts = [start_of(event).replace(tzinfo=None) for _, event in read]
    assert starts == [wall("2026-11-25T11:00"), *[wall("2026-11-26T15:00")] * 4]
    assert len({letter["Message-ID"] for letter in post.box.letters}) == 5


async def test_two_nodes_send_each_message_once(post: Post) -> None:
    post.now = WRITTEN
    anna = await reader(post.world)
    for number in range(8):
        await promise(post, await post.world.client(f"Клиент {number}"), anna)
    post.now = DUE
    other = Database(post.world.database.url.render_as_string(hide_password=False))
    try:
        one, two = post.mailer(node="main"), post.mailer(database=other, node="second")
        await asyncio.gather(one.look(), two.look())
    finally:
        await other.dispose()
    assert len(post.box.taken) == 8
    assert len({letter["Message-ID"] for letter in post.box.letters}) == 8


async def test_a_crash_before_it_is_noted_sends_the_same_message_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await promise(post, await post.world.client(), await reader(post.world))
    post.now += outbox.GOES_OUT_AFTER

    async def power_cut(*_: object, **__: object) -> None:
        raise SystemError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "mark_sent", power_cut)
        with pytest.raises(SystemError):
            await post.mailer().look()
    after_restart = post.mailer()
    await after_restart.look()
    assert len(post.box.taken) == 1, "the claim of the dead one holds"
    post.now += HOUR
    await after_restart.look()
    (_, first), (_, second) = post.box.taken
    assert first == second
    assert post.box.letters[0]["Message-ID"] == post.box.letters[1]["Message-ID"]
    assert await states(post.world) == [MailState.SENT]


async def test_a_server_that_is_down_is_asked_more_and_more_rarely_and_loses_nothing(post: Post) -> None:
    shut = await post.open()
    await shut()
    port, anna = post.port, await reader(post.world)
    for number in range(3):
        await promise(post, await post.world.client(f"Клиент {number}"), anna)
    post.now += outbox.GOES_OUT_AFTER
    mailer = post.mailer()
    looks = 0
    for _ in range(60):
        await mailer.look()
        post.now += timedelta(seconds=5)
    looks = sum(mail.tries for mail in await rows(post.world))
    assert 3 <= looks <= 6
    trouble = mailer.health().trouble
    assert isinstance(trouble, Reason)
    assert (trouble.code, mailer.health().on) == ("mail.nobody_there", True)
    tried = [mail for mail in await rows(post.world) if mail.tries]
    stored = unpacked(tried[0].last_error)
    assert isinstance(stored, Reason)
    assert stored.code == "mail.nobody_there"
    await post.open(port)
    post.now += 3 * HOUR
    await mailer.look()
    assert len(post.box.taken) == 3
    assert mailer.health() == MailHealth(on=True)


async def test_one_that_is_refused_for_good_is_given_up_and_holds_up_no_other(post: Post) -> None:
    anna = await reader(post.world)
    for number in range(2):
        await promise(post, await post.world.client(f"Клиент {number}"), anna)
    post.box.answers = ["554 5.7.1 we take\r\n no such thing".replace("\r\n", "")]
    await sent(post)
    assert await states(post.world) == [MailState.FAILED, MailState.SENT]
    (failed, _) = await rows(post.world)
    assert "554" in unpacked(failed.last_error)
    async with post.world.transaction() as session:
        await send_again(session, mail_id=failed.id, now=post.now)
    await post.mailer().look()
    assert await states(post.world) == [MailState.SENT, MailState.SENT]


async def test_one_that_is_put_off_again_and_again_is_given_up(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_TRIES", 3)
    post.box.answers = ["451 4.7.1 later"] * 3
    await promise(post, await post.world.client(), await reader(post.world), "2026-12-25T11:00")
    mailer = post.mailer()
    for _ in range(5):
        post.now += 3 * HOUR
        await mailer.look()
    (mail,) = await rows(post.world)
    assert (mail.state, mail.tries) == (MailState.FAILED, 3)
    assert post.box.taken == []


async def test_one_that_broke_off_may_have_arrived_and_is_repeated_the_same(post: Post) -> None:
    await promise(post, await post.world.client(), await reader(post.world))
    post.box.cut_after = 1
    await sent(post)
    (mail,) = await rows(post.world)
    assert (mail.state, mail.may_have_arrived) == (MailState.WAITING, True)
    post.now += HOUR
    await post.mailer().look()
    first, second = post.box.letters
    assert first["Message-ID"] == second["Message-ID"]


async def test_what_is_of_no_use_any_more_is_not_sent(post: Post) -> None:
    anna, boris = await reader(post.world), await reader(post.world, "boris@example.ru", "Борис")
    await promise(post, await post.world.client("Скоро"), anna, "2026-11-23T15:00")
    await promise(post, await post.world.client("Потом"), boris)
    async with post.world.transaction() as session:
        user = await get_user(session, boris)
        await set_mail(session, user=user, email="", callbacks=False, now=post.now)
    post.now += 5 * HOUR
    await post.mailer().look()
    assert post.box.taken == []
    assert set(await states(post.world)) == {MailState.CANCELLED}


async def test_without_a_server_nothing_is_tried(post: Post) -> None:
    await promise(post, await post.world.client(), await reader(post.world))
    post.now += HOUR
    mailer = post.mailer(host="")
    await mailer.look()
    assert mailer.health() == MailHealth()
    (mail,) = await rows(post.world)
    assert (mail.state, mail.tries) == (MailState.WAITING, 0)


async def test_once_it_stops_no_further_message_is_begun(post: Post) -> None:
    await promise(post, await post.world.client(), await reader(post.world))
    post.now += HOUR
    mailer = post.mailer()
    mailer.stop()
    await mailer.look()
    assert post.box.taken == []
