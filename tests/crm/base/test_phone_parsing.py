import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm.base.phone_parsing import parse_phones, read_phones, zone_of
from crm.errors import Refused

NOVOSIBIRSK = ("+73830000001", "")


def numbers(raw: str) -> list[tuple[str, str]]:
    return [(phone.e164, phone.extension) for phone in parse_phones(raw)]


@pytest.mark.parametrize(
    "raw",
    [
        "8 (383) 000-00-01",
        "+7 (383) 000-00-01",
        "7 383 0000001",
        "(383) 000-00-01",
        "3830000001",
        "8-383-000-00-01",
        "+8 (383) 000-00-01",
        "8\u00a0(383)\u00a0000\u201100\u201101",
        "  8(383)000 00 01  ",
        "'+7 383 000-00-01",
        "тел. 8 (383) 000-00-01",
        "тел8(383)000-00-01",
        "8 (383) 000-00-01 (секретарь Ольга)",
        "８ (383) 000-00-01",
        "73830000001.0",
        "7.3830000001E+10",
        "7,3830000001e10",
    ],
)
def test_one_number_however_it_is_written(raw: str) -> None:
    assert numbers(raw) == [NOVOSIBIRSK]


@pytest.mark.parametrize(
    "tail",
    [
        "доб. 12",
        "доб.12",
        "доб 12",
        "(доб. 12)",
        "добавочный 12",
        "вн. 12",
        "ext 12",
        "ext. 12",
        "x12",
        "#12",
        ", доб. 12",
    ],
)
def test_an_extension_is_kept_apart(tail: str) -> None:
    assert numbers(f"8 (383) 000-00-01 {tail}") == [("+73830000001", "12")]
    assert numbers(f"8 (383) 000-00-01{tail}") == [("+73830000001", "12")]


def test_an_extension_keeps_its_zeros() -> None:
    assert numbers("8 (383) 000-00-01 доб. 007") == [("+73830000001", "007")]


@pytest.mark.parametrize("between", [", ", "; ", " / ", "\n", "\r\n", " и ", " или ", " факс ", "; моб. ", ",", " "])
def test_several_numbers_in_a_cell(between: str) -> None:
    assert numbers(f"8 (383) 000-00-01{between}8 (383) 000-00-02") == [NOVOSIBIRSK, ("+73830000002", "")]


def test_each_number_of_a_cell_has_its_own_extension() -> None:
    cell = "8 (383) 000-00-01 доб. 12, 8 (383) 000-00-02, +7 342 000-12-34 вн. 5"
    assert numbers(cell) == [("+73830000001", "12"), ("+73830000002", ""), ("+73420001234", "5")]


def test_the_next_number_may_leave_out_the_area_code() -> None:
    assert numbers("(383) 000-00-01, 000-00-02") == [NOVOSIBIRSK, ("+73830000002", "")]
    assert numbers("(38822) 0-00-01; 0-00-02") == [("+73882200001", ""), ("+73882200002", "")]


def test_the_same_number_twice_is_one() -> None:
    assert numbers("8 (383) 000-00-01, +73830000001, 8 (383) 000-00-01 доб. 1") == [
        NOVOSIBIRSK,
        ("+73830000001", "1"),
    ]


def test_what_stood_in_the_cell_is_kept_for_each_number() -> None:
    first, second = parse_phones("тел/факс: 8(383)000-00-01; +7 913 000 00 02 (Иван)")
    assert (first.raw, second.raw) == ("8(383)000-00-01", "+7 913 000 00 02 (Иван)")


def test_numbers_of_other_countries() -> None:
    assert numbers("+375 17 000-00-01") == [("+375170000001", "")]
    assert numbers("8 10 49 30 1234567") == [("+49301234567", "")]
    assert numbers("8 (727) 000-00-01") == numbers("77270000001") == [("+77270000001", "")]
    assert [phone.e164 for phone in parse_phones("(650) 253-0000", region="US")] == ["+16502530000"]


@pytest.mark.parametrize(
    ("raw", "code", "text"),
    [
        ("7,9E+10", "phone.digits_lost", "7,9E+10"),
        ("7.9E+10", "phone.digits_lost", "7.9E+10"),
        ("7,913000001E+10", "phone.digits_lost", "7,913000001E+10"),
        ("000-00-01", "phone.no_area_code", "000-00-01"),
        ("112", "phone.too_short", "112"),
        ("8 (383) 000-00-0", "phone.too_short", "8 (383) 000-00-0"),
        ("8 (383) 000-00-01 02", "phone.too_long", "8 (383) 000-00-01 02"),
        ("8 (000) 000-00-01", "phone.no_such_code", "8 (000) 000-00-01"),
        ("7383000000", "phone.too_short", "7383000000"),
        ("1234567890", "phone.no_such_code", "1234567890"),
        ("8 (383) 000-00-0l", "phone.letters", "8 (383) 000-00-0l"),
        ("3830000000О", "phone.letters", "3830000000О"),
        ("+999 123456789", "phone.unknown_country", "+999 123456789"),
        ("12345678901234567890123", "phone.unreadable", "12345678901234567890123"),
        ("нет", "phone.no_digits", "нет"),
        ("8 (383) 000-00-01, 12", "phone.too_short", "12"),
    ],
)
def test_what_is_no_number_is_refused_with_the_piece_that_is_wrong(raw: str, code: str, text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_phones(raw)
    assert caught.value.code == code
    assert caught.value.params == {"text": text}
    assert text in str(caught.value)


@pytest.mark.parametrize("raw", ["", "   ", "\n"])
def test_an_empty_cell_has_no_number(raw: str) -> None:
    assert read_phones(raw).phones == ()
    assert read_phones(raw).problems == ()
    with pytest.raises(Refused) as caught:
        parse_phones(raw)
    assert caught.value.code == "phone.empty"


def test_good_numbers_are_read_beside_bad_ones() -> None:
    cell = read_phones("7,9E+10; 8 (383) 000-00-01")
    assert [phone.e164 for phone in cell.phones] == ["+73830000001"]
    assert [problem.code for problem in cell.problems] == ["phone.digits_lost"]


@given(
    raw=st.text(alphabet=st.sampled_from("0123456789+()-., ;/\nдобE+xи#а'\u00a0"), max_size=40) | st.text(max_size=60)
)
def test_any_cell_ends_in_numbers_or_problems(raw: str) -> None:
    cell = read_phones(raw)
    for phone in cell.phones:
        assert phone.e164[0] == "+"
        assert phone.e164[1:].isascii()
        assert 4 <= len(phone.e164) <= 16
        assert len(phone.extension) <= 8
        assert phone.raw in raw
    if raw.strip() and not cell.phones:
        assert all(problem.in_english() for problem in cell.problems)


@given(
    code=st.sampled_from(["383", "3842", "38822", "495", "800", "913"]),
    rest=st.integers(0, 10**7 - 1),
    style=st.integers(0, 4),
)
def test_every_number_with_a_known_code_is_read_right(code: str, rest: int, style: int) -> None:
    subscriber = f"{rest:07}"[: 10 - len(code)]
    written = [
        f"8 ({code}) {subscriber}",
        f"+7{code}{subscriber}",
        f"{code}{subscriber}",
        f"8{code}{subscriber}",
        f"7-{code}-{subscriber}",
    ][style]
    assert numbers(written) == [(f"+7{code}{subscriber}", "")]


@given(
    code=st.integers(300, 499) | st.integers(800, 999),
    rest=st.integers(0, 10**7 - 1),
    prefix=st.sampled_from(["8", "7", "+7", ""]),
)
def test_ordinary_numbers_are_read_as_the_library_reads_them(code: int, rest: int, prefix: str) -> None:
    written = f"{prefix}{code}{rest:07}"
    assume(not written.startswith("810"))  # the international prefix
    library = phonenumbers.parse(written, "RU")
    [phone] = parse_phones(written)
    assert phone.e164 == phonenumbers.format_number(library, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("e164", "zone"),
    [
        ("+73830000001", "Asia/Novosibirsk"),
        ("+73420001234", "Asia/Yekaterinburg"),
        ("+74950000001", "Europe/Moscow"),
        ("+74010000001", "Europe/Kaliningrad"),
        ("+78450000001", "Europe/Saratov"),
        ("+74210000001", "Asia/Vladivostok"),
        ("+49301234567", "Europe/Berlin"),
        ("+79130000001", ""),
        ("+78000000000", ""),
        ("+999", ""),
        ("nonsense", ""),
    ],
)
def test_a_number_tells_its_zone_if_there_is_only_one(e164: str, zone: str) -> None:
    assert zone_of(e164) == zone


@pytest.mark.parametrize(
    ("raw", "codes", "e164"),
    [
        ("22-33-44", ("3812",), "+73812223344"),
        ("000-00-01", ("3812", "383"), "+73830000001"),
        ("8 (342) 000-00-02, 000-00-01", ("383",), "+73420000001"),  # the number before it knows better
        ("8 912 000-00-02, 000-00-01", ("383",), "+73830000001"),  # a mobile one has no area
    ],
)
def test_a_number_without_its_area_code_gets_the_first_that_fits(raw: str, codes: tuple[str, ...], e164: str) -> None:
    assert parse_phones(raw, area_codes=codes)[-1].e164 == e164


def test_an_area_code_that_does_not_fit_the_digits_is_not_used() -> None:
    assert read_phones("22-33-44", area_codes=("495",)).problems[0].code == "phone.no_area_code"
    assert read_phones("8 912 000-00-02, 000-00-01").problems[0].code == "phone.no_area_code"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", [" ", "доб", "a", "1 ", "("])
def test_a_cell_without_end_is_refused_at_once(piece: str) -> None:
    cell = read_phones("x" + piece * 200_000 + "x")
    [problem] = cell.problems
    assert (cell.phones, problem.code) == ((), "phone.cell_too_long")
    assert len(str(problem.params["text"])) < 100


@given(st.from_regex(r"(?:\+7|8)[ -]?\(?[346789][0-9]{2,4}\)?[ -]?[0-9][0-9 -]{3,8}[0-9]", fullmatch=True))
def test_a_number_alone_in_its_cell_is_read_as_beside_a_word(raw: str) -> None:
    """Which is read the long way."""
    alone, beside = read_phones(raw), read_phones(f"тел. {raw}")
    assert [phone.e164 for phone in alone.phones] == [phone.e164 for phone in beside.phones]
