"""Who wants callbacks by e-mail, on the users' page; what became of the messages, on the page of the mail."""

from __future__ import annotations

from crm.database import Database
from crm.mail.outbox import MailState, get_mail, list_mail, mark_tried
from crm.office.users import get_user
from dialer.console.office.status import MailStatus
from dialer.reasons import Reason
from tests.dialer.console.conftest import SignIn
from tests.dialer.console.seed import NOW, Office


async def test_the_wish_is_set_on_the_users_page_and_two_who_set_it_lose_nothing(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    admin, anna = await signed_in("admin"), office.users["anna"]
    async with database.reading() as session:
        version = (await get_user(session, anna)).version
    wish = {"email": "anna@example.ru", "callbacks": "yes", "version": str(version)}
    assert (await admin.post_form(f"/users/{anna}/mail", **wish)).status == 303
    page = await admin.text("/users")
    assert 'value="anna@example.ru"' in page
    assert "Почтовый сервер не задан" in page
    overtaken = await admin.post_form(f"/users/{anna}/mail", **wish | {"email": "other@example.ru"})
    assert overtaken.status == 409
    assert "кто-то изменил этого пользователя" in await overtaken.text()
    wrong = await admin.post_form(f"/users/{anna}/mail", **wish | {"email": "?", "version": str(version + 1)})
    assert wrong.status == 422
    async with database.reading() as session:
        found = await get_user(session, anna)
        assert (found.email, found.callbacks_by_mail) == ("anna@example.ru", True)
        assert len(await list_mail(session)) == 1, "the promise that is still to come"


async def test_the_manager_sees_what_was_given_up_and_has_it_sent_again(
    signed_in: SignIn, office: Office, database: Database
) -> None:
    admin, anna = await signed_in("admin"), office.users["anna"]
    async with database.reading() as session:
        version = str((await get_user(session, anna)).version)
    await admin.post_form(f"/users/{anna}/mail", email="anna@example.ru", callbacks="yes", version=version)
    maria = await signed_in("maria")
    assert "не отправлено" not in await maria.text("/plan")
    reason = Reason("mail.refused", address="mail.example.ru:587", code=550, said="5.1.1 nobody").packed()
    async with database.transaction() as session:
        ((mail, _name),) = await list_mail(session)
        await mark_tried(session, mail_id=mail.id, reason=reason, now=NOW, for_good=True)
    assert "1 письмо не отправлено" in await maria.text("/plan")
    page = await maria.text("/mail")
    for words in (
        "anna@example.ru",
        "Альфа-Климат",
        "отправить не удалось",
        ":587 не принял письмо: 550",
    ):
        assert words in page
    assert "Отправить ещё раз" not in await (await signed_in("audit")).text("/mail")
    assert (await maria.get("/metrics")).status == 200
    assert 'dialer_mail_messages{state="failed"} 1.0' in await maria.text("/metrics")
    said = await (await maria.get("/status")).json()
    assert MailStatus.from_json(said["mail"]) == MailStatus(on=False, trouble="", waiting=0, failed=1)
    assert (await maria.post_form(f"/mail/{mail.id}/retry")).status == 303
    async with database.reading() as session:
        assert (await get_mail(session, mail.id)).state is MailState.WAITING
    assert (await maria.post_form(f"/mail/{mail.id}/retry")).status == 409


def test_what_the_service_says_of_its_mail_is_understood() -> None:
    reason = Reason("mail.nobody_there", address="127.0.0.1:25")
    status = MailStatus(on=True, trouble=reason, waiting=3, failed=1)
    understood = MailStatus.from_json(status.to_json())
    assert understood == status
    assert isinstance(understood.trouble, Reason)
    assert MailStatus.from_json("x") == MailStatus()
