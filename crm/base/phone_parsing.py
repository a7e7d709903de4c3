"""Telephone numbers as people write them, read into E.164 and an extension; and the time zone that a number tells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult, timezone

from crm.errors import Refused
from crm.problems import Problem

# One character for one, so that places in the cleaned text are places in the cell.
_CLEANED = {
    **dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000\ufeff\u200b\t_"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad"), "-"),
    **dict.fromkeys(map(ord, "\uff08[{"), "("),
    **dict.fromkeys(map(ord, "\uff09]}"), ")"),
    **{0xFF10 + digit: str(digit) for digit in range(10)},
    0xFF0B: "+",
}
_SEPARATOR = re.compile(r"[;/|\n\r]+|,(?!\d+[eе]\+?\d)|\s(?:и|или|and|or)\s|(?<!\s)\s+(?=\+\d|8\s*\()", re.IGNORECASE)
_EXTENSION = re.compile(
    r"[\s(.,-]*(?:(?:доб|вн|ext|extn)[^\W\d_]*|(?<![^\W\d_])[xх]|#|№)[\s.:#№]*(?P<digits>[0-9]{1,8})(?![0-9])\s*\)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?P<before>[^\W\d_]*)(?P<number>[+(]*[0-9](?:[0-9\s().-]*[0-9])?)(?P<after>[^\W\d_]?)")
_LABEL = re.compile(r"т|тел|телефон|ф|факс|м|моб|мобильный|с|сот|р|раб|tel|t|phone|fax|f|mob|mobile", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"\+?([0-9])(?:[.,]([0-9]+))?[eе]\+?([0-9]{1,2})", re.IGNORECASE)
_WHOLE_FLOAT = re.compile(r"(\+?[0-9]{10,15})[.,]0+")
_DIGIT = re.compile("[0-9]")
_NOT_DIGITS = re.compile("[^0-9]+")
_SPACING = re.compile(r"[\s().-]+")
_ORDINARY = re.compile(r"(?:\+?7|8)([346789][0-9]{9})|((?!810)[3489][0-9]{9})")
_LONGEST_CELL = 500  # letters; a cell of numbers is shorter, and an expression's time grows with its square
# A cell that holds one number as most people write it: what is read below comes to the same, in a fifth of its speed.
_PLAIN = re.compile(r"(?:\+7|8)[ -]?\(?([346789][0-9]{2,4})\)?[ -]?([0-9][0-9 -]{3,8}[0-9])")
_FEWEST_DIGITS = 5
_SHOWN = 60  # letters of a cell that is too long
_LOCAL_DIGITS = range(5, 8)
_NATIONAL_DIGITS = 10  # of a number of country 7, its area code among them
_CODES_OF_7 = frozenset("346789")

_LENGTH_PROBLEMS = {
    ValidationResult.TOO_SHORT: "phone.too_short",
    ValidationResult.INVALID_LENGTH: "phone.too_short",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "phone.too_short",
    ValidationResult.TOO_LONG: "phone.too_long",
    ValidationResult.INVALID_COUNTRY_CODE: "phone.unknown_country",
}

# The library names another zone with Kaliningrad's clock, and does not know that Saratov left Moscow's.
_ZONES_MENDED = {"Europe/Bucharest": "Europe/Kaliningrad"}
_ZONES_OF_CODES = {"+7845": "Europe/Saratov"}
_LEAST_SOUGHT = 3  # of the digits of a number


@dataclass(frozen=True)
class ParsedPhone:
    """A number as `+` and digits (E.164), its extension ("" if none), and what stood in the cell for it."""

    e164: str
    extension: str
    raw: str


@dataclass(frozen=True)
class PhoneCell:
    """All that a cell holds: the numbers in their order, each once, and the pieces that are none."""

    phones: tuple[ParsedPhone, ...]
    problems: tuple[Problem, ...]


def parse_phones(raw: str, *, region: str = "RU", area_codes: Sequence[str] = ()) -> list[ParsedPhone]:
    """Every number of a cell; `Refused` with the first problem if a piece is no number, or if there is none at all."""
    cell = read_phones(raw, region=region, area_codes=area_codes)
    if cell.problems:
        raise Refused(cell.problems[0].code, **cell.problems[0].params)
    if not cell.phones:
        raise Refused("phone.empty")
    return list(cell.phones)


def read_phones(raw: str, *, region: str = "RU", area_codes: Sequence[str] = ()) -> PhoneCell:
    """Every number of a cell and every piece that is none; an empty cell holds neither.

    Numbers may stand side by side (comma, semicolon, slash, line, "и"), carry words before or after, an extension
    ("доб. 12", "вн. 12", "ext 12", "#12"), and after the first leave out the area code. They need to have a possible
    length and area code, not an assigned exchange: directories are newer than any table. A number without its area code
    gets the one of the number before it in the cell, else the first of `area_codes` with which it has ten digits.
    """
    if len(raw.strip()) > _LONGEST_CELL:
        told = {"text": raw.strip()[:_SHOWN], "most": str(_LONGEST_CELL)}
        return PhoneCell((), (Problem("phone.cell_too_long", told),))
    plain = _PLAIN.fullmatch(raw.strip()) if region == "RU" else None
    if plain and len(digits := plain[1] + _NOT_DIGITS.sub("", plain[2])) == _NATIONAL_DIGITS:
        return PhoneCell((ParsedPhone(f"+7{digits}", "", raw.strip()),), ())
    text = raw.translate(_CLEANED)
    phones: dict[tuple[str, str], ParsedPhone] = {}
    problems: list[Problem] = []
    national = ""
    for start, end in _pieces(text):
        for reading in _read_piece(text[start:end], raw[start:end].strip(), region, national, area_codes):
            if isinstance(reading, Problem):
                problems.append(reading)
            else:
                phones.setdefault((reading.e164, reading.extension), reading)
                national = reading.e164[2:] if reading.e164.startswith("+7") else ""
    if not phones and not problems and text.strip():
        problems.append(Problem("phone.no_digits", {"text": raw.strip()}))
    return PhoneCell(tuple(phones.values()), tuple(problems))


def digits_sought(text: str) -> str:
    """The digits of what may be a part of a number, "" for anything with letters or fewer than three of them."""
    digits = "".join(character for character in text if character.isdecimal() and character.isascii())
    return "" if len(digits) < _LEAST_SOUGHT or any(character.isalpha() for character in text) else digits


def national(digits: str) -> str:
    """As much of a number as was typed: the 8 of "8 342 ..." is no part of it in E.164."""
    return digits[1:] if len(digits) == 11 and digits.startswith("8") else digits


def zone_of(e164: str) -> str:
    """The IANA time zone of a number, or "" when it lies in several or in none that is known (mobile, 8 800)."""
    if e164[:5] in _ZONES_OF_CODES:
        return _ZONES_OF_CODES[e164[:5]]
    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(e164))
    except NumberParseException:
        return ""
    if len(zones) != 1 or zones[0] == "Etc/Unknown":
        return ""
    return _ZONES_MENDED.get(zones[0], zones[0]) if e164.startswith("+7") else zones[0]


def _pieces(text: str) -> list[tuple[int, int]]:
    """Where the pieces between separators begin and end; an extension after a separator stays with its number."""
    pieces: list[tuple[int, int]] = []
    start = 0
    for separator in [*_SEPARATOR.finditer(text), None]:
        end = separator.start() if separator else len(text)
        if pieces and _EXTENSION.match(text, start, end):
            pieces[-1] = (pieces[-1][0], end)
        elif _DIGIT.search(text, start, end):
            pieces.append((start, end))
        start = separator.end() if separator else end
    return pieces


def _read_piece(
    text: str, raw: str, region: str, national: str, area_codes: Sequence[str]
) -> list[ParsedPhone | Problem]:
    """The numbers of one piece, usually one; `national` is the number before it, whose area code it may share."""
    found = _from_spreadsheet(text.strip(), raw)
    if isinstance(found, Problem):
        return [found]
    text = found
    readings: list[ParsedPhone | Problem] = []
    extension = _EXTENSION.search(text)
    spoken = text[: extension.start()] if extension else text
    candidates = [each for each in _NUMBER.finditer(spoken) if _count_digits(each["number"]) >= _FEWEST_DIGITS]
    for candidate in candidates:
        own = raw if len(candidates) == 1 else candidate["number"].strip()
        if candidate["after"] or (candidate["before"] and not _LABEL.fullmatch(candidate["before"])):
            readings.append(Problem("phone.letters", {"text": own}))
            continue
        e164 = _to_e164(candidate["number"], region, national, area_codes)
        if isinstance(e164, Problem):
            readings.append(Problem(e164.code, {"text": own}))
            continue
        last = candidate is candidates[-1]
        readings.append(ParsedPhone(e164, extension["digits"] if extension and last else "", own))
    return readings or [Problem("phone.too_short", {"text": raw})]


def _from_spreadsheet(text: str, raw: str) -> str | Problem:
    """The text with a spreadsheet's way of writing long numbers undone; a problem if digits were lost by it."""
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific:
        whole, fraction, power = scientific[1], scientific[2] or "", int(scientific[3])
        if len(fraction) < power or power > 15:
            return Problem("phone.digits_lost", {"text": raw})
        return str(int(Decimal(f"{whole}.{fraction or 0}E{power}")))
    whole_float = _WHOLE_FLOAT.fullmatch(text)
    return whole_float[1] if whole_float else text


def _to_e164(text: str, region: str, national: str, area_codes: Sequence[str]) -> str | Problem:
    if re.match(r"\+8[\s(-]", text):
        text = "+7" + text[2:]  # "+8 (383)": the trunk prefix written as if it were the country
    digits = _NOT_DIGITS.sub("", text)
    if region == "RU" and re.match(r"[78][\s(-]", text) and len(digits) < 11:
        return Problem("phone.too_short")  # or its trunk prefix would be read as the first digit of an area code
    if region == "RU" and (ordinary := _ORDINARY.fullmatch(_SPACING.sub("", text))):
        return f"+7{ordinary[1] or ordinary[2]}"  # what the library says too, in a tenth of its time
    if region == "RU" and len(digits) == 10 and digits[0] == "7" and "+" not in text:
        return Problem("phone.too_short")  # more likely a Russian number cut short than a Kazakh one without its 7
    if len(digits) in _LOCAL_DIGITS and "+" not in text:
        for code in (_code_of(national, digits), *area_codes):
            if len(code) + len(digits) == _NATIONAL_DIGITS:
                return f"+7{code}{digits}"
        return Problem("phone.no_area_code")
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        unknown = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
        return Problem("phone.unknown_country" if unknown else "phone.unreadable")
    reason = phonenumbers.is_possible_number_with_reason(number)
    if number.country_code == 7 and len(str(number.national_number)) > 10:
        return Problem("phone.too_long")
    if reason != ValidationResult.IS_POSSIBLE:
        return Problem(_LENGTH_PROBLEMS[reason])
    if number.country_code == 7 and str(number.national_number)[0] not in _CODES_OF_7:
        return Problem("phone.no_such_code")
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _code_of(national: str, digits: str) -> str:
    """The area code that `digits` share with the number before them; a mobile number has none to share."""
    return national[: _NATIONAL_DIGITS - len(digits)] if national and national[0] != "9" else ""


def _count_digits(text: str) -> int:
    return len(_NOT_DIGITS.sub("", text))
