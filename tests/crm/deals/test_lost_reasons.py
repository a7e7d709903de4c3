"""Why deals are lost, as each campaign has it."""

from __future__ import annotations

from typing import Any

import pytest

from crm.deals.lost_reasons import USUAL, assert_reason, lost_reasons, own_reason_labels, set_lost_reason
from crm.errors import Conflict, CrmError, Refused
from tests.crm.builders import NOON, World


async def set_reason(world: World, key: str, **changes: Any) -> None:
    async with world.transaction() as session:
        await set_lost_reason(session, campaign_id=world.campaign_id, key=key, now=NOON, **changes)


async def test_a_campaign_renames_switches_off_and_adds(world: World) -> None:
    await set_reason(world, "price", label_ru="Дорого", label_en="Too dear", version=0)
    await set_reason(world, "late", label_ru="Опоздали", label_en="Too late")
    await set_reason(world, "silent", active=False)
    async with world.database.reading() as session:
        found = await lost_reasons(session, world.campaign_id)
        assert list(found) == [*USUAL, "late"]
        assert (found["price"].labels, found["silent"].active) == (("Дорого", "Too dear"), False)
        assert await own_reason_labels(session, "ru") == {
            (world.campaign_id, "price"): "Дорого", (world.campaign_id, "late"): "Опоздали",
        }  # fmt: skip
        await assert_reason(session, world.campaign_id, "late", "")
        with pytest.raises(Refused):
            await assert_reason(session, world.campaign_id, "silent", "")


@pytest.mark.parametrize(
    ("key", "changes", "code"),
    [
        ("Late", {"label_ru": "а", "label_en": "a"}, "lost_reason.key"),
        ("mistake", {"label_ru": "а", "label_en": "a"}, "lost_reason.key"),
        ("late", {"label_ru": "а"}, "lost_reason.labels"),
    ],
)
async def test_what_a_reason_cannot_be(world: World, key: str, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(CrmError) as refused:
        await set_reason(world, key, **changes)
    assert refused.value.code == code


async def test_one_is_left_and_two_do_not_overwrite_each_other(world: World) -> None:
    for key in USUAL[1:]:
        await set_reason(world, key, active=False)
    with pytest.raises(Refused) as refused:
        await set_reason(world, USUAL[0], active=False)
    assert refused.value.code == "lost_reason.last"
    with pytest.raises(Conflict) as changed:
        await set_reason(world, USUAL[1], active=True, version=0)
    assert changed.value.code == "lost_reason.changed_meanwhile"
