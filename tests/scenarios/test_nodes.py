"""Several services on one PostgreSQL database: none takes another's calls for those of a dead one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crm.calls.dial_rules import set_dialling_stopped
from crm.calls.recording_facts import RecordingState
from crm.office.users import Role, add_user, set_headset_password, user_by_login
from dialer.demo import seed
from tests.databases import Cluster, made_database
from tests.scenarios.office import Operator, World, further_node, office
from tests.scenarios.test_trouble import settled

VERA, VERAS_HEADSET = "vera", "vera-headset"


async def add_vera(session: Any) -> None:
    vera = await add_user(
        session, login=VERA, name="Вера", role=Role.OPERATOR, password=seed.PASSWORD, now=datetime.now(UTC),
        headset=VERAS_HEADSET,
    )  # fmt: skip
    await set_headset_password(session, user=vera, password=seed.HEADSET_PASSWORD, realm="dialer")


async def hung_up(world: World, operator: Operator, attempt_id: str) -> None:
    await operator.post("hang-up", attempt_id=attempt_id)
    await operator.until(lambda view: view["call"] == "wrap_up")
    await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})
    recording = await settled(world, attempt_id, RecordingState.READY)
    assert world.recording_path(recording).is_file(), "each keeps its recordings in its own folder"


async def test_two_services_share_the_plan_and_leave_each_others_calls_alone(
    tmp_path: Path, postgresql_cluster: Cluster
) -> None:
    (tmp_path / "second").mkdir()
    async with made_database(postgresql_cluster) as url, office(tmp_path, database_url=url) as first:
        await first.change(add_vera)
        async with first.headset() as headset:
            await headset.registered()
            anna = await first.operator()
            annas = await anna.call_the_next()
            await first.recording_begun(annas)
            async with (
                further_node(first, tmp_path / "second", "second") as second,
                second.headset(VERAS_HEADSET) as veras_headset,
            ):
                await veras_headset.registered()
                vera = await second.operator(VERA)
                veras = await vera.call_the_next()
                view = await anna.until(lambda view: view["levels"]["client"] is not None)
                assert view["call"] == "talking", "the start of the other ended no call here"
                await hung_up(second, vera, veras)
                await hung_up(first, anna, annas)


async def test_a_switch_that_another_service_turned_is_seen_here(tmp_path: Path, postgresql_cluster: Cluster) -> None:
    async with made_database(postgresql_cluster) as url, office(tmp_path, database_url=url) as world:
        anna = await world.operator()

        def says_stopped(_view: dict[str, Any]) -> bool:
            return "остановил" in anna.regions["banner"]

        for stopped in (True, False):

            async def turn(session: Any, stopped: bool = stopped) -> None:
                manager = await user_by_login(session, seed.MANAGER)
                assert manager is not None
                now = datetime.now(UTC)
                await set_dialling_stopped(session, stopped=stopped, author_id=manager.id, now=now)

            await world.change(turn)
            await anna.until(says_stopped if stopped else lambda view: not says_stopped(view))
