"""By what the erased are known again, in files that are yet to come and in rows that wait."""

from __future__ import annotations

from crm.base.tombstones import Hints, number_mark, organisation_marks, person_marks

OF_FIRM = organisation_marks("ООО «Ветер»", ["+73422223344"], "5902 000 111")
OF_PERSON = person_marks("Семёнов  Пётр", "ООО «Ветер»", ["+73422223344"])


def test_what_digests_are_made_of_stays_as_it_is_for_those_that_are_kept() -> None:
    assert {mark.text for mark in OF_FIRM} == {"organisation|ветер|+73422223344", "organisation|ветер|5902000111"}
    assert {mark.text for mark in OF_PERSON} == {"person|семенов петр|ветер", "person|семенов петр|+73422223344"}
    assert number_mark("+73422223344").text == "number|+73422223344"


def test_rows_that_may_tell_of_them_have_a_hint() -> None:
    hints = Hints.of(OF_FIRM | OF_PERSON)
    for cells in (["Ветер", "22-33-44"], ["ИНН 5902-000-111"], ["семенов", "ПЁТР"], ["２２-３３-４４"]):
        assert hints.may_be_in(cells)
    for cells in ([], ["Ветер", "22-33-55"], ["Семёнов", "Иван"]):
        assert not hints.may_be_in(cells)
    assert not Hints.of(()).may_be_in(["Ветер", "22-33-44"])
