"""What a backup without secrets says of the settings, however they were written."""

from __future__ import annotations

import tomllib

import pytest

from config.redaction import without_secrets


@pytest.mark.parametrize(
    "text",
    [
        '[trunk]\npassword = "s3cret"\n',
        'trunk.password = "s3cret"\n',
        '[trunk]\n"password" = "s3cret"\n',
        'trunk = { host = "h", password = "s3cret" }\n',
        '[trunk]\npassword = """\ns3cret"""\n',
        "[trunk]\npassword = '''s3cret\n'''\n",
        '# password = "s3cret"\n[trunk]\nhost = "h" # s3cret\n',
        '[trunk]\npasword = "s3cret"\n',
        'mail.password = "s3cret"\n',
        '[database]\nurl = "postgresql://u:s3cret@h/d"\n',
        '[database]\nurl = "postgresql://h/d?user=u&password=s3cret"\n',
        '[database]\nurl = "postgresql://h/d?password=a@s3cret"\n',
        '[database]\nurl = "postgresql://u:pa@s3cret@h/d"\n',
        '[database]\nurl = "postgresql://u:pa/s3cret@h/d"\n',
        '[database]\nurl = "postgresql://u:pa?s3cret@h/d"\n',
        'database.url = "postgresql://u:s3cret@h/d"\n',
        "[database]\nurl = 'postgresql://u:s3\"s3cret@h/d'\n",
        '[database]\nurl = "postgresql://:s3cret@h/d"\n',
    ],
)
def test_no_secret_is_left(text: str) -> None:
    assert "s3cret" not in without_secrets(text)


def test_everything_else_is_as_it_was() -> None:
    said = {
        "service": {"data_dir": 'здесь "и" там\\', "further_node": True},
        "database": {"url": "postgresql+asyncpg://dialer@db:5433/office?ssl=require"},
        "trunk": {"host": "h", "password": "", "caller_ids": ["+70000000001", "+70000000002"]},
    }
    text = without_secrets(
        "[service]\ndata_dir = 'здесь \"и\" там\\'\nfurther_node = true\n"
        '[database]\nurl = "postgresql+asyncpg://dialer:x@db:5433/office?ssl=require&password=x"\n'
        '[trunk]\nhost = "h"\npassword = "x"\ncaller_ids = ["+70000000001", "+70000000002"]\n'
    )
    assert tomllib.loads(text) == said


def test_a_file_is_still_the_database() -> None:
    assert 'url = "sqlite:///kept/office.db"' in without_secrets('[database]\nurl = "sqlite:///kept/office.db?x=1"')
