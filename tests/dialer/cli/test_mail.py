"""`dialer mail` and `dialer users mail`: whose callbacks go where, what went, and whether it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crm.base.organisations import add_organisation
from crm.clientele.clients import add_client
from crm.database import Database
from crm.mail.outbox import list_mail, mark_tried
from crm.office import users
from crm.plan.callbacks import agree
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import list_campaigns
from tests.dialer.cli.conftest import Dialer, on_database
from tests.dialer.mailing.conftest import Letterbox, mail_server


async def promise(database: Database) -> None:
    """Anna promises a call in three days; the message about it is given up."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        campaign = (await list_campaigns(session))[0]
        call_list = await list_named(session, campaign_id=campaign.id, name="One")
        organisation = await add_organisation(session, name="Northern Wind", now=now)
        client = await add_client(
            session, campaign_id=campaign.id, organisation_id=organisation.id, call_list_id=call_list.id, now=now
        )
        anna = await users.user_by_login(session, "anna")
        assert anna is not None
        at = (now + timedelta(days=3)).replace(tzinfo=None)
        await agree(session, client=client, owner_id=anna.id, local_at=at, now=now)
    async with database.transaction() as session:
        ((mail, _name),) = await list_mail(session)
        await mark_tried(session, mail_id=mail.id, reason="550 no such mailbox", now=now, for_good=True)


def write_mail(config: Path, **lines: object) -> None:
    text = config.read_text()
    for key, value in lines.items():
        start = text.index("[mail]")
        section = text[start:]
        old = next(line for line in section.splitlines() if line.startswith(f"{key} = "))
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        text = text[:start] + section.replace(old, f"{key} = {shown}", 1)
    config.write_text(text)


def test_a_wish_a_message_given_up_and_tried_again(dialer: Dialer, office: Path) -> None:
    dialer("users", "add", "anna", "--name", "Anna", "-c", office)
    refused = dialer("users", "mail", "anna", "nowhere", "--callbacks", "-c", office)
    assert (refused.code, "“nowhere” is no e-mail address" in refused.err) == (1, True)
    said = dialer("users", "mail", "anna", "anna@example.org", "--callbacks", "-c", office)
    assert said.out == "Callbacks of anna go to anna@example.org as calendar entries.\n"
    assert "No mail server is set up" in said.err
    assert dialer("mail", "list", "-c", office).out == "There are no messages.\n"
    on_database(office, promise)
    listed = dialer("mail", "list", "--state", "failed", "-c", office).out
    for word in ("anna@example.org", "into the calendar: Northern Wind", "given up", "550 no such mailbox"):
        assert word in listed
    checked = dialer("check", "--wait", "0", "-c", office).out
    assert "mail: 1 user wants callbacks by e-mail, but no mail server is set up" in checked
    assert "mail: 1 message was given up" in checked
    assert dialer("mail", "retry", "--all", "-c", office).out == "1 message is tried again.\n"
    assert "waiting" in dialer("mail", "list", "-c", office).out
    again = dialer("mail", "retry", "1", "-c", office)
    assert (again.code, again.err) == (1, "Only a message that was given up is sent again.\n")
    off = dialer("users", "mail", "anna", "anna@example.org", "-c", office)
    assert off.out == "The address of anna is anna@example.org; callbacks do not go there.\n"
    assert dialer("users", "mail", "anna", "--none", "-c", office).out == "anna has no e-mail address any more.\n"


def test_one_message_tells_whether_mail_works(dialer: Dialer, sqlite_office: Path) -> None:
    config = sqlite_office
    without = dialer("mail", "test", "boss@example.org", "-c", config)
    assert (without.code, without.err) == (1, "No mail server is set up: fill in [mail] in the settings.\n")
    box, ports = Letterbox(), []

    async def serving(work: Callable[[], None]) -> None:
        async with mail_server(box) as port:
            ports.append(port)
            write_mail(config, host="127.0.0.1", port=port, tls="none", sender="dialer@example.org", timeout_s=10)
            await asyncio.to_thread(work)  # a command has a loop of its own

    def try_it() -> None:
        said = dialer("mail", "test", "boss@example.org", "-c", config)
        assert (said.code, said.out) == (0, f"127.0.0.1:{ports[0]} has taken a message to boss@example.org.\n")
        assert f"mail: 127.0.0.1:{ports[0]} answers" in dialer("check", "--wait", "0", "-c", config).out

    asyncio.run(serving(try_it))
    assert [address for address, _ in box.taken] == ["boss@example.org"]
    assert box.letters[0]["Subject"] == "A test message of the dialer"
    down = dialer("mail", "test", "boss@example.org", "-c", config)
    assert down.code == 1
    assert down.err.startswith(f"nobody listens at 127.0.0.1:{ports[0]}. Are mail.host and mail.port right")
    assert f"mail: nobody listens at 127.0.0.1:{ports[0]}" in dialer("check", "--wait", "0", "-c", config).out
