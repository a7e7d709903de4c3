"""The words of the workbook in which a customer marks a call list."""

from __future__ import annotations

from crm.importing.list_marks import MarksTaken
from crm.importing.list_sheets import SheetWords
from dialer.words import LANGUAGES, Words, words


def sheet_words(spoken: Words) -> SheetWords:
    """In one language."""
    gettext = spoken.gettext
    return SheetWords(
        headings=(
            gettext("No."), gettext("Organisation"), gettext("City"), gettext("Industry"), gettext("Tax number"),
            gettext("Site"), gettext("Source"), gettext("Call them?"), gettext("Remarks"),
        ),
        yes=gettext("yes"),
        no=gettext("no"),
        choose=gettext("Choose yes or no; write everything else into the remarks."),
    )  # fmt: skip


def all_sheet_words(first: Words) -> list[SheetWords]:
    """In every language that a workbook may have been written in, the reader's own first."""
    return [sheet_words(words(each)) for each in sorted(LANGUAGES, key=lambda each: each != first.language)]


def marks_in_words(words: Words, taken: MarksTaken) -> str:
    """What became of the customer's marks."""
    told = words.gettext(
        "Agreed: {agreed}; taken off the list: {off}; without a mark: {open}.",
        agreed=taken.agreed, off=taken.taken_off, open=taken.open_clients,
    )  # fmt: skip
    if not taken.strangers:
        return told
    rows = ", ".join(map(str, taken.strangers))
    return f"{told} {words.gettext('Rows of clients of other lists, left alone: {rows}.', rows=rows)}"
