"""What can be wrong with a file, a row or a cell: codes, their English sentences, and a problem as a value.

`crm.errors.ERRORS` holds these sentences too, so a `Refused` may carry any of the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PROBLEMS: Final[Mapping[str, str]] = {
    # one telephone number
    "phone.digits_lost": "“{text}”: the spreadsheet has rounded this number. Format its column as text.",
    "phone.empty": "There is no telephone number.",
    "phone.letters": "“{text}”: there are letters among the digits.",
    "phone.no_area_code": "“{text}” has no area code.",
    "phone.no_digits": "“{text}” is no telephone number.",
    "phone.no_such_code": "“{text}”: there is no such area code.",
    "phone.cell_too_long": "“{text} …” is longer than {most} characters: no cell of numbers is.",
    "phone.too_long": "“{text}” has too many digits.",
    "phone.too_short": "“{text}” has too few digits.",
    "phone.unknown_country": "“{text}”: there is no such country code.",
    "phone.unreadable": "“{text}” cannot be read as a telephone number.",
    # the file
    "table.bad_delimiter": "A delimiter is one character, and not a quote, a letter or a digit.",
    "table.cannot_open": "{path} cannot be opened: {reason}.",
    "table.cell_too_long": "Line {line}: a cell is longer than {limit} characters.",
    "table.damaged": "The file is damaged: {reason}.",
    "table.duplicate_columns": "Two columns have the same name: {names}.",
    "table.empty": "The file is empty.",
    "table.encrypted": "The file is protected by a password. Save it without one.",
    "table.encoding_not_guessed": "It is not clear in which encoding the file is. Name it.",
    "table.fields_have_names": "A table of Access has names for its fields: there is no reading it without a header.",
    "table.macros": "There are macros in this file. Save it as a workbook without macros (XLSX).",
    "table.no_header_row": "Row {row} cannot be the header: it is empty, or not in the file.",
    "table.no_mdbtools": "Access files are read with the package mdbtools, which is not installed here.",
    "table.no_part": "The file has no sheet or table “{part}”. It has: {parts}.",
    "table.no_rows": "The file has a header but no rows.",
    "table.not_text": "This is neither text nor a table. Save the table as XLSX or CSV and import that.",
    "table.other_format": "This is a {kind} file, not a table. Save it as XLSX or CSV and import that.",
    "table.too_big": "The file is larger than {limit_mb} MB. Split it.",
    "table.too_demanding": "The file asks for more memory or time than a file may. Save it anew, or split it.",
    "table.too_many_cells": "The table has more than {limit} cells. Split it.",
    "table.too_many_columns": "Line {line} has more than {limit} columns. Is the delimiter right?",
    "table.unclosed_quote": "Line {line}: a quote is opened and never closed.",
    "table.unknown_encoding": "There is no encoding “{encoding}”. For example: {known}.",
    "table.unnamed_column": "Column {number} has cells but no name in the header.",
    "table.zip_bomb": "Unpacked, the file is larger than {limit_mb} MB. Split it.",
    "table.wrong_encoding": "Line {line} cannot be read as {encoding}.",
    # the mapping of columns, and how numbers are read
    "import.area_code": "“{text}” is no area code: three to five digits, such as 383 or 3812.",
    "import.changed_meanwhile": "Somebody has changed this import since you opened it.",
    "import.broken_off": "Reading this file was broken off: meanwhile somebody else went on with it or discarded it.",
    "import.erased_meanwhile": "Meanwhile somebody was erased at their request. Read the file once more.",
    "import.field_twice": "The columns {columns} are both said to hold “{field}”.",
    "import.file_gone": "The file itself is no longer kept, because somebody was erased at their request. What it would"
    " bring can be taken in; to read it otherwise, bring it in again.",
    "import.list_not_in_file": "No row is of the list “{list}”. The file has: {lists}.",
    "import.mapping_needs_name": "Give the mapping a name.",
    "import.mapping_unknown": "There is no saved mapping “{name}”.",
    "import.no_list": "No column holds the call list. Name a list for all rows.",
    "import.no_name_column": "No column holds the name of the organisation. Say below which one does.",
    "import.no_phone_column": "No column holds the telephone. Say below which one does.",
    "import.time_zone": "“{text}” is no time zone: a name such as Asia/Omsk, a city, or hours such as МСК+3 or UTC+6.",
    "import.under_way": "Import {number} is being read, taken in, undone or discarded at the moment.",
    "import.unknown": "There is no such import.",
    "import.unknown_column": "The file has no column “{column}”.",
    "import.unknown_field": "“{field}” is no field to import into.",
    "import.wrong_state": "Import {number} has been confirmed, discarded or undone already.",
    # what an undone import has left, for what happened since
    "undo.called": "It has been called.",
    "undo.edited": "It has been changed.",
    "undo.imported_again": "A later import has to do with it.",
    "undo.in_use": "Something refers to it.",
    "undo.moved": "It has moved to another group.",
    # one row
    "row.formula": "“{value}” is a formula. Put what it computes in its place.",
    "row.number_erased": "This number's owner has been erased at their request and must not be taken in again.",
    "row.organisation_erased": "This organisation has been erased at its request and must not be taken in again.",
    "row.person_erased": "This person has been erased at their request. Take the name out of the row.",
    "row.erased": "This row told of somebody who has been erased at their request; nothing of it is kept.",
    "row.deal_amount": "“{value}” is no amount.",
    "row.deal_date": "“{value}” is no day of a past deal: 2024-05-31 or 31.05.2024, not in the future.",
    "row.deal_needs_date": "“{value}” was bought, but the row does not say when.",
    "row.headcount": "“{value}” is no number of people.",
    "row.list_closed": "The list “{list}” has been handed in for approval. Put new clients into another list.",
    "row.no_list": "The row does not say to which list it belongs.",
    "row.no_name": "The organisation has no name.",
    "row.no_phone": "The organisation has no telephone number.",
    "row.time_zone": "“{value}” is no time zone.",
    "row.too_many_cells": "The row has {count} cells, the header has {columns}.",
    "row.too_long": "{column}: {letters} characters are more than the {limit} that may stand there.",
    "row.unknown_group": "“{value}” is no group. Groups are: new, hot, warm, competitor, cold, abandoned, no contact,"
    " nonexistent.",
    # remarks on rows that were taken or merged
    "row.in_other_list": "“{name}” stays in the list “{kept}”; the row says “{given}”.",
    "row.kept_existing": "“{name}”, {field}: “{kept}” was kept; the row says “{given}”.",
    "row.possible_duplicate": "“{name}” has a telephone number of “{other}”. Are they the same?",
    "row.value_digits_lost": "{field}: the spreadsheet has rounded “{value}”. Format its column as text.",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong, or worth a look: a code of `PROBLEMS` and what fills its sentence."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    def in_english(self) -> str:
        """The sentence."""
        return PROBLEMS[self.code].format(**self.params)
