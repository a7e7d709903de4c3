"""The log of a service that worked: one line for each step of a call, from the plan to the promise, and no secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dialer.demo import seed
from tests.scenarios.office import office

PERSON = "Заозёрская Аглая"
FIELDS = {
    "disposition": "callback",
    "person_name": PERSON,
    "summary": "Просит перезвонить завтра",
    "when": "завтра в 11",
}


async def a_call_with_a_promise(folder: Path) -> tuple[list[dict[str, Any]], str, str]:
    """The service's log in lines and as text, and the attempt's id."""
    async with office(folder) as world, world.headset() as headset:
        await headset.registered()
        operator = await world.operator()
        attempt_id = await operator.call_the_next()
        await world.recording_begun(attempt_id)
        await operator.post("hang-up", attempt_id=attempt_id)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await operator.post("outcome", attempt_id=attempt_id, fields=FIELDS)
        await operator.until(lambda view: view["attempt"] is None)
        dialled = (await world.attempt(attempt_id)).dialled
        await world.service.stop()
        text = world.service.log()
    lines = [json.loads(line) for line in text.splitlines()]  # each of them is one JSON object
    assert dialled[1:] not in text
    return lines, text, attempt_id


async def test_each_step_is_one_line_and_nothing_secret_is_in_any(tmp_path: Path) -> None:
    lines, text, attempt_id = await a_call_with_a_promise(tmp_path)

    of_the_call = [line for line in lines if line.get("call") == attempt_id]
    steps = [(line["logger"], line["event"], line["was"], line["now"]) for line in of_the_call if "was" in line]
    assert len(steps) == len(set(steps)), "a step is told once"
    at_the_desk = [now for logger, event, _, now in steps if (logger, event) == ("dialer.calls", "call")]
    assert at_the_desk == ["dialling", "ringing", "talking", "hanging_up", "wrap_up", "none"]
    on_the_wire = [now for logger, event, _, now in steps if (logger, event) == ("dialer.sip", "call")]
    assert on_the_wire == ["ringing", "talking", "ended"]
    assert ("crm", "callback", "none", "open") in steps
    assert [now for _, event, _, now in steps if event == "recording"] == ["on", "ready"]
    entries = [(line["was"], line["now"]) for line in lines if line["event"] == "plan entry"]
    assert entries[0] == ("waiting", "claimed")
    assert ("claimed", "done") in entries

    for secret in (seed.PASSWORD, seed.HEADSET_PASSWORD, PERSON, FIELDS["summary"]):
        assert secret not in text
    assert re.findall(r"\+7\d{6,}", text) == []
