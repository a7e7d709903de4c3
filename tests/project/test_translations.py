"""What settings and recordings have to say is there in Russian too; these sentences stand in tables, not in calls."""

from __future__ import annotations

import re

import pytest

from config.advice import ADVICE
from dialer.words import read_catalogue
from recordings.errors import ERRORS

SENTENCES = {**ADVICE, **ERRORS}


@pytest.mark.parametrize("code", SENTENCES)
def test_every_sentence_is_translated_with_its_placeholders(code: str) -> None:
    message = read_catalogue("ru").get(SENTENCES[code])
    assert message is not None, f"{code} is not in ru.po"
    assert isinstance(message.string, str)
    assert message.string
    assert sorted(re.findall(r"{(\w+)}", message.string)) == sorted(re.findall(r"{(\w+)}", SENTENCES[code]))
