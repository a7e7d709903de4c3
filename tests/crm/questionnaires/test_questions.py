"""Questions as people write them, and answers as people give them."""

from __future__ import annotations

import pytest

from crm.errors import Finding, Refused
from crm.questionnaires import wording
from crm.questionnaires.answers import asked, missing, read_answers
from crm.questionnaires.questions import LONGEST_TEXT, Kind, Question, label_in, loaded, stored, written
from crm.questionnaires.wording import parse, written_out

TEXT = """
# Покупают у других? | Do they buy elsewhere?
key: buys
kind: yes_no
required: yes
reports: yes

# Чей товар
key: whose
when: buys = yes
required: yes
reports: yes
- daikin = Daikin
- other = Другой | Another one

# Сколько штук в год
key: pieces
kind: number
when: whose = daikin

# Какая удача
kind: scale
scale: 1-5
# Что важно
kind: several
- Цена
- Срок
# С какого дня
kind: date
# Что сказали
"""


@pytest.fixture
def questions() -> tuple[Question, ...]:
    return parse(TEXT).questions


class TestWriting:
    def test_what_is_left_out_is_made(self, questions: tuple[Question, ...]) -> None:
        assert [each.key for each in questions] == ["buys", "whose", "pieces", "q1", "q2", "q3", "q4"]
        assert [each.kind for each in questions][3:] == [Kind.SCALE, Kind.SEVERAL, Kind.DATE, Kind.TEXT]
        assert [each.code for each in questions[4].choices] == ["c1", "c2"]
        assert parse(TEXT).for_reports == {"buys", "whose"}

    def test_what_is_written_out_reads_the_same(self, questions: tuple[Question, ...]) -> None:
        again = parse(written_out(questions, {"buys", "whose"}))
        assert again == parse(TEXT)
        assert loaded(stored(questions)) == questions
        assert written(stored(questions)) == questions

    def test_keys_and_codes_stay_with_their_words(self, questions: tuple[Question, ...]) -> None:
        text = "# Новое первое\n# Что важно\nkind: several\n- Скидка\n- Срок\n# Что сказали"
        first, second, third = parse(text, questions).questions
        assert (first.key, second.key, third.key) == ("q5", "q2", "q4")
        assert [each.code for each in second.choices] == ["c3", "c2"]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "questionnaire.no_questions"),
            ("речь", "questionnaire.before_questions"),
            ("# А\nцвет: синий", "questionnaire.line"),
            ("# А\nkind: pile", "questionnaire.kind"),
            ("# А\nkey: Ключ", "questionnaire.key"),
            ("# А\nkey: a\n# Б\nkey: a", "questionnaire.key_twice"),
            ("# А\nkind: choice\n- один", "questionnaire.choices"),
            ("# А\nkind: text\n- один\n- два", "questionnaire.choices"),
            ("# А\n- c1 = один\n- c1 = два", "questionnaire.codes"),
            ("# А\nkind: scale\nscale: 5-1", "questionnaire.scale"),
            ("#", "questionnaire.label"),
            (f"# {'я' * 301}", "questionnaire.label_long"),
            ("# А\n" * 61, "questionnaire.most_questions"),
            ("# А\n" * 20_000, "questionnaire.long"),
        ],
    )
    def test_what_cannot_be_is_refused(self, text: str, code: str) -> None:
        with pytest.raises(Refused) as refusal:
            parse(text)
        assert refusal.value.code == code

    @pytest.mark.parametrize(
        ("text", "code", "line"),
        [
            ("# А\nwhen: b = yes\n# Б\nkey: b\nkind: yes_no", "questionnaire.when_key", 2),
            ("# А\nkey: a\nkind: yes_no\n# Б\nkey: b\n\nwhen: c = yes", "questionnaire.when_key", 7),
            ("# А\nkey: a\nkind: yes_no\n# Б\nwhen: если да", "questionnaire.when", 5),
            ("# А\nkey: a\nkind: yes_no\n# Б\nwhen: a > yes", "questionnaire.when_relation", 5),
            ("# А\nkey: a\n# Б\nwhen: a = да", "questionnaire.when_text", 4),
            ("# А\nkey: a\nkind: several\n- c1 = Раз\n- c2 = Два\n# Б\nwhen: a has c1, c2",
             "questionnaire.when_several", 7),
            ("# А\nkey: a\nkind: pile", "questionnaire.kind", 3),
        ],
    )  # fmt: skip
    def test_of_a_line_that_cannot_be_it_is_told_which_and_why(self, text: str, code: str, line: int) -> None:
        with pytest.raises(Refused) as refusal:
            parse(text)
        assert (refusal.value.code, refusal.value.params["line"]) == (code, line)

    def test_of_a_condition_on_what_is_no_answer_it_is_told_why_it_is_none(self) -> None:
        with pytest.raises(Refused) as refusal:
            parse("# Покупают?\nkey: a\nkind: yes_no\n# Б\nwhen: a = может")
        reason = refusal.value.params["reason"]
        assert isinstance(reason, Finding)
        assert (refusal.value.code, refusal.value.params["line"]) == ("questionnaire.when_value", 5)
        assert (reason.code, reason.params["typed"]) == ("sheet.no_yes_no", "может")

    def test_a_document_compares_with_what_an_answer_can_be(self) -> None:
        document = stored(parse("# А\nkey: a\nkind: yes_no\n# Б\nwhen: a = yes").questions)
        document[1]["condition"]["relation"] = ">"
        with pytest.raises(Refused) as refusal:
            written(document)
        assert refusal.value.code == "questionnaire.condition"

    @pytest.mark.parametrize(
        "document",
        [None, {}, [1], [{}], [{"key": 1, "kind": "text", "label": "А"}], [{"key": "a", "kind": "pile", "label": "А"}]],
    )
    def test_what_is_no_document_is_refused(self, document: object) -> None:
        with pytest.raises(Refused) as refusal:
            written(document)
        assert refusal.value.code == "questionnaire.unreadable"

    def test_a_condition_names_a_question_before_it(self, questions: tuple[Question, ...]) -> None:
        with pytest.raises(Refused) as refusal:
            written(stored(reversed(questions)))
        assert (refusal.value.code, refusal.value.params["key"]) == ("questionnaire.condition_key", "whose")

    def test_a_label_is_read_in_one_language(self) -> None:
        assert label_in("Да | Yes", "en") == "Yes"
        assert label_in("Да | Yes", "ru") == "Да"
        assert label_in("Да", "en") == "Да"


class TestAnswering:
    def test_answers_are_kept_as_what_they_are(self, questions: tuple[Question, ...]) -> None:
        typed = {
            "buys": "да", "whose": "daikin", "pieces": "1 200,50", "q1": "4", "q2": "Срок,c1", "q3": "31.12.2026",
            "q4": " =1+1\0 ",
        }  # fmt: skip
        assert read_answers(questions, typed) == {
            "buys": True, "whose": "daikin", "pieces": "1200.5", "q1": 4, "q2": ["c1", "c2"], "q3": "2026-12-31",
            "q4": "=1+1",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("key", "typed", "code"),
        [
            ("buys", "наверное", "sheet.no_yes_no"),
            ("q1", "6", "sheet.no_scale"),
            ("q1", "²", "sheet.no_scale"),
            ("q2", "Цена,Скидка", "sheet.no_several"),
            ("q3", "31.02.2026", "sheet.no_date"),
            ("q4", "я" * (LONGEST_TEXT + 1), "sheet.text_long"),
            ("q9", "что", "sheet.unknown_question"),
        ],
    )
    def test_what_is_no_answer_is_refused(
        self, questions: tuple[Question, ...], key: str, typed: str, code: str
    ) -> None:
        with pytest.raises(Refused) as refusal:
            read_answers(questions, {key: typed})
        assert refusal.value.code == code

    @pytest.mark.parametrize("typed", ["много", "NaN", "Infinity", "1e400", "1000000000000", "0.0001", "1" * 1_000_000])
    def test_only_numbers_that_can_be_kept_are(self, typed: str) -> None:
        question = Question("n", Kind.NUMBER, "Сколько")
        with pytest.raises(Refused) as refusal:
            read_answers([question], {"n": typed})
        assert refusal.value.code == "sheet.no_number"

    def test_a_choice_is_one_of_those_there_are(self, questions: tuple[Question, ...]) -> None:
        assert read_answers(questions, {"buys": "yes", "whose": "Another one"})["whose"] == "other"
        with pytest.raises(Refused) as refusal:
            read_answers(questions, {"buys": "yes", "whose": "lg"})
        assert refusal.value.code == "sheet.no_choice"

    def test_what_is_not_asked_is_not_taken(self, questions: tuple[Question, ...]) -> None:
        answers = read_answers(questions, {"buys": "no", "whose": "daikin", "pieces": "5"})
        assert answers == {"buys": False}
        assert [each.key for each in asked(questions, answers)] == ["buys", "q1", "q2", "q3", "q4"]

    def test_only_what_is_asked_can_be_missing(self, questions: tuple[Question, ...]) -> None:
        assert missing(questions, {"buys": False}) is None
        lacking = missing(questions, {"buys": True})
        assert lacking is not None
        assert lacking.key == "whose"

    @pytest.mark.parametrize(
        ("condition", "typed", "shown"),
        [
            ("n > 5", "5", False),
            ("n > 5", "5.1", True),
            ("n < 5", "4", True),
            ("n < 5", "40", False),
            ("n = 5", "5,0", True),
        ],
    )
    def test_numbers_are_compared_as_numbers(self, condition: str, typed: str, shown: bool) -> None:
        both = parse(f"# Сколько\nkey: n\nkind: number\n# Дальше\nkey: more\nwhen: {condition}").questions
        assert (both[1] in asked(both, read_answers(both, {"n": typed}))) is shown

    def test_days_are_compared_as_days(self) -> None:
        both = parse("# Когда\nkey: d\nkind: date\n# Дальше\nkey: more\nwhen: d > 01.02.2026").questions
        assert both[1] in asked(both, read_answers(both, {"d": "2.10.2026"}))
        assert both[1] not in asked(both, read_answers(both, {"d": "31.01.2026"}))

    def test_one_of_several_choices_is_enough(self) -> None:
        both = parse("# Что\nkey: s\nkind: several\n- a = А\n- b = Б\n# Дальше\nkey: more\nwhen: s has b").questions
        assert both[1] in asked(both, read_answers(both, {"s": "a,b"}))
        assert both[1] not in asked(both, read_answers(both, {"s": "a"}))


@pytest.mark.parametrize("text", ["# А\n" * 5_000, "# А\n" + "- б\n" * 5_000])
def test_how_many_there_are_is_looked_at_before_each_is_compared_with_all(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five thousand choices without codes held the service up for seconds before they were refused."""
    monkeypatch.setattr(wording, "_next", lambda *_: pytest.fail("compared"))
    with pytest.raises(Refused):
        parse(text)
