"""Both languages, whole: every sentence translated, and nothing foreign on a Russian page."""

from __future__ import annotations

import re
import string
from datetime import timedelta

import pytest

from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer.crm_words import explain
from dialer.shown.labels import DISPOSITIONS, GROUPS, KINDS, RESULTS, ROLES
from dialer.shown.report_sheets import REPORTS
from dialer.words import read_catalogue, words
from recordings.store import LocalStore
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.fake_desk import FakeDesk
from tests.dialer.console.seed import NOW, Office, seed_call, seed_recording
from tests.dialer.console.test_import_pages import brought
from tests.dialer.msgids import all_msgids
from tests.foreign_words import latin_words, shown_texts


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_quotes_within_quotes_are_of_the_other_kind() -> None:
    russian, english = words("ru").gettext, words("en").gettext
    name = "ООО «Нева»"
    assert russian("There is no campaign “{name}”.", name=name) == "Кампании «ООО „Нева“» нет."
    assert russian("{name} has been added.", name=name).startswith(name)
    assert english("There is no campaign “{name}”.", name="The “Neva”") == "There is no campaign “The ‘Neva’”."


def test_every_sentence_is_translated() -> None:
    translated: dict[str, tuple[str, ...]] = {}
    for message in read_catalogue("ru"):
        if message.id:
            forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            translated[message.id if isinstance(message.id, str) else message.id[0]] = forms
    missing, broken = [], []
    for msgid, place in all_msgids().items():
        singular = msgid if isinstance(msgid, str) else msgid[0]
        forms = translated.get(singular, ())
        if not forms or not all(forms) or (not isinstance(msgid, str) and len(forms) != 3):
            missing.append(f"{place}: {singular}")
        broken += [f"{place}: {form}" for form in forms if form and placeholders(form) != placeholders(singular)]
    assert missing == []
    assert broken == []


def test_the_numbers_forms_are_russian() -> None:
    spoken = words("ru")
    late = [spoken.ngettext("{n} minute late", "{n} minutes late", n) for n in (1, 2, 5, 11, 21, 22, 112)]
    endings = [text.split()[-1] for text in late]
    assert endings == ["минуту", "минуты", "минут", "минут", "минуту", "минуты", "минут"]


def test_a_sentence_with_a_hole_is_still_told() -> None:
    assert words("en").gettext("Line {line}: {reason}", line=3) == "Line {line}: {reason}"


def test_an_unknown_code_is_told_rather_than_hidden() -> None:
    assert explain(words("ru"), "strange.code", {}) == "strange.code"


def test_the_values_of_the_domain_all_have_words() -> None:
    from crm.group import Group
    from crm.office.users import Role
    from crm.plan.dispositions import DISPOSITIONS as KNOWN
    from crm.plan.plan_entries import EntryKind
    from crm.preparation.results import Result

    assert set(DISPOSITIONS) == set(KNOWN)
    assert set(GROUPS) == {each.value for each in Group}
    assert set(KINDS) == {each.value for each in EntryKind}
    assert set(RESULTS) == {each.value for each in Result}
    assert set(ROLES) == {each.value for each in Role}


async def operators_pages(browser: Browser, desk: FakeDesk, office: Office) -> list[str]:
    anna = office.users["anna"]
    pages = [await browser.text("/operator")]
    await browser.act("ready")
    pages.append(await browser.text("/operator"))
    await browser.act("dial", client_id=office.clients[0])
    pages.append(await browser.text("/operator"))
    await desk.ring(anna)
    pages.append(await browser.text("/operator"))
    await desk.answer(anna)
    pages.append(await browser.text("/operator"))
    await desk.end(anna)
    pages.append(await browser.text("/operator"))
    attempt_id = (await desk.view(anna)).attempt_id
    await browser.act("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})
    await browser.act("pause")
    return [*pages, await browser.text("/operator")]


async def test_russian_pages_hold_no_foreign_word(
    signed_in: SignIn, office: Office, desk: FakeDesk, database: Database, store: LocalStore
) -> None:
    at = NOW - timedelta(hours=1)
    played = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="cold", reason="Дорого"))
    await seed_recording(database, store, played, at)
    anna, maria = await signed_in("anna"), await signed_in("maria")
    pages = await operators_pages(anna, desk, office)
    changed = {"name": "Другая", "calls_from": "18:00", "calls_until": "09:00", "version": "7"}
    pages.append(await (await maria.post_form("/campaigns/1", **changed)).text())
    await maria.post_form("/campaigns/1/calendar", day="2026-05-15", what="off", reason="Переезд")
    for path in (
        "/calls",
        "/plan",
        f"/calls/{played}",
        "/calls?group=hot",
        "/campaigns",
        "/campaigns/1",
        "/campaigns/1/retries",
        "/campaigns/1/what-if",
        "/imports",
        await brought(maria, "список;название;телефон\nвесна;Альфа;нет\n".encode("cp1251"), "фирмы"),
        "/campaigns/1/dispositions",
        "/dispositions",
        "/clients",
        "/clients?text=000",
        "/clients/1",
        "/clients/new",
        "/clients/1/edit",
        "/duplicates",
        "/abandoned",
        "/competitors",
        *(f"/reports?report={report}" for report in REPORTS),
    ):
        pages.append(await maria.text(path))
    for path in ("/nowhere", "/reports?report=contacts&from=2026-05-02&to=2026-05-01"):
        pages.append(await (await maria.get(path)).text())
    assert latin_words(pages) == set()


async def test_english_pages_hold_no_russian_word_but_names(signed_in: SignIn, office: Office, desk: FakeDesk) -> None:
    anna = await signed_in("anna")
    await anna.post_form("/language", language="en", back="/operator")
    pages = await operators_pages(anna, desk, office)
    texts = [text for page in pages for text in shown_texts(page)]
    names = {
        "Иванова Анна", "Русский", "Вентиляция-2", "Вентиляция, монтаж", "Пермь", "Петрова Анна Сергеевна", "директор",
        "Сидоров Олег", "секретарь", "ООО «Северный ветер»", "Альфа-Климат", "Вектор", "Гамма-Холод", "Дельта",
        "Завод «Эпсилон»",
    }  # fmt: skip
    text = " ".join(texts)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    assert re.findall(r"[А-Яа-яЁё]+", text) == []


@pytest.mark.parametrize("path", ["/sign-in"])
async def test_the_sign_in_page_is_russian_too(signed_in: SignIn, path: str) -> None:
    browser = await signed_in("maria")
    await browser.post_form("/sign-out")
    assert latin_words([await browser.text(path)]) == set()
