"""What a settings file may hold, and how a wrong one is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import Settings, SettingsError, load_settings

TRUNK = '[trunk]\nhost = "127.0.0.2"\nuser = "office"\n'

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load settings from text."""

    def load(text: str = "", environ: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "dialer.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ or {})

    return load


def refusal(load: Load, text: str, environ: Mapping[str, str] | None = None) -> str:
    """The message, one problem a line, without the line that names the file."""
    with pytest.raises(SettingsError) as caught:
        load(text, environ)
    return "\n".join(str(caught.value).splitlines()[1:])


def test_an_empty_file_gives_a_service_on_this_machine_without_a_trunk(load: Load, tmp_path: Path) -> None:
    settings = load()
    assert settings.trunk is None
    assert settings.console.host == "127.0.0.1"
    assert settings.data_dir == tmp_path / "data"
    assert settings.recordings_dir == tmp_path / "data" / "recordings"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/dialer.db"


def test_settings_cannot_be_changed_once_read(load: Load) -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.console.port = 1


def test_relative_paths_start_at_the_file_not_at_the_current_folder(load: Load, tmp_path: Path) -> None:
    settings = load(
        '[service]\ndata_dir = "d"\n[recordings]\nfolder = "calls"\n[database]\nurl = "sqlite+aiosqlite:///x/y.db"\n'
    )
    assert settings.data_dir == tmp_path / "d"
    assert settings.recordings_dir == tmp_path / "calls"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/x/y.db"


def test_absolute_paths_stay_as_they_are(load: Load) -> None:
    settings = load('[service]\ndata_dir = "/srv/d"\n[database]\nurl = "sqlite+aiosqlite:////srv/y.db"\n')
    assert settings.data_dir == Path("/srv/d")
    assert settings.database_url == "sqlite+aiosqlite:////srv/y.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_postgresql_address_is_taken_in_its_usual_spellings(load: Load, scheme: str) -> None:
    settings = load(f'[database]\nurl = "{scheme}://anna:pw@127.0.0.1/dialer"\n')
    assert settings.database_url == "postgresql+asyncpg://anna:pw@127.0.0.1/dialer"


def test_the_environment_overrides_the_file(load: Load) -> None:
    environ = {
        "DIALER__CONSOLE__PORT": "9001",
        "DIALER__TRUNK__PASSWORD": "s3same",
        "DIALER__TRUNK__REGISTER": "true",
        "DIALER__MEDIA__CODECS": "PCMU, PCMA",
        "DIALER__DIALING__ALLOWED_PREFIXES": '["+7", "+375"]',
        "DIALER_CONFIG": "elsewhere.toml",
    }
    settings = load(TRUNK + "[console]\nport = 8080\n", environ)
    assert settings.console.port == 9001
    assert settings.media.codecs == ("PCMU", "PCMA")
    assert settings.dialing.allowed_prefixes == ("+7", "+375")
    assert settings.trunk is not None
    assert settings.trunk.registers
    assert settings.trunk.password.get_secret_value() == "s3same"


def test_a_file_saved_by_notepad_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_bytes(b"\xef\xbb\xbf[console]\r\nport = 8081\r\n")
    assert load_settings(path, {}).console.port == 8081


def test_secrets_are_in_no_text_of_the_settings(load: Load) -> None:
    settings = load(TRUNK + 'password = "s3same"\n[database]\nurl = "postgresql://anna:s3same@127.0.0.1/dialer"\n')
    assert "s3same" not in f"{settings!r} {settings} {settings.trunk} {settings.database!r}"


def test_secrets_are_in_no_message(load: Load) -> None:
    text = refusal(load, TRUNK + 'password = ["s3same"]\n[database]\nurl = "mysql://anna:s3same@h/d"\n')
    assert "s3same" not in text
    assert "trunk.password = ***" in text
    assert "database.url = ***" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[console]\nprot = 1", "console.prot: there is no such setting; did you mean port?"),
        ("[consol]\nport = 1", "consol: there is no such setting; did you mean console?"),
        ("[service]\nring_timeout_s = 5", "there is no such setting; did you mean dialing.ring_timeout_s?"),
        ("[log]\nzzzzqq = 5", "log.zzzzqq: there is no such setting; these exist: format, level"),
        ("console = 5", "console: this must be a table: a line [console] with its settings below it"),
        ('[console]\nport = "http"', "console.port = 'http': this must be a whole number, without quotes"),
        ("[console]\nport = 70000", "console.port = 70000: this must be at most 65535"),
        ("[dialing]\nring_timeout_s = 1", "dialing.ring_timeout_s = 1: this must be at least 5 s"),
        ('[sip]\ntcp = "perhaps"', "sip.tcp = 'perhaps': this must be true or false"),
        ("[sip]\nrealm = 5", 'sip.realm = 5: this must be text in quotes, like "abc"'),
        ('[sip]\nengine = "asterisk"', "sip.engine = 'asterisk': this must be one of: native, pyvoip"),
        ('[trunk]\nhost = "sip:1.2.3.4"', "trunk.host = 'sip:1.2.3.4': write a host name or an IP address only"),
        ('[trunk]\nhost = "1.2.3.400"', "trunk.host = '1.2.3.400': write a host name or an IP address only"),
        ('[sip]\nhost = "localhost"', "sip.host = 'localhost': write an IP address only"),
        ('[media]\nhost = "sip:1.2.3.4"', "media.host = 'sip:1.2.3.4': write an IP address only"),
        # c= of a session description: few far ends look a name up (RFC 4566 section 5.7)
        (
            '[media]\nadvertised_host = "pbx.example.ru"',
            "media.advertised_host = 'pbx.example.ru': write an IP address",
        ),
        ('[media]\ncodecs = ["GSM"]', "media.codecs = ['GSM']: this must be one of: PCMA, PCMU"),
        ('[media]\ncodecs = "PCMA"', 'media.codecs = \'PCMA\': this must be a list, like ["PCMA", "PCMU"]'),
        ('[media]\ncodecs = ["PCMA", "PCMA"]', "each value may stand in the list only once"),
        ("[media]\ncodecs = []", "media.codecs = []: this must not be empty"),
        ('[service]\ntime_zone = "Europe/Mosow"', "there is no such time zone; write an IANA name like Europe/Moscow"),
        ('[dialing]\nregion = "Russia"', "dialing.region = 'Russia': write a country as two capital letters"),
        ('[dialing]\nallowed_prefixes = ["8"]', "dialing.allowed_prefixes = ['8']: write + and digits, like +7"),
        ('[console]\npublic_url = "dialer.example.ru"', "write the address as people type it"),
        ('[service]\nnode = "a b"', "service.node = 'a b': this cannot be used; wanted: Name of this service"),
        ("[trunk]\nport = 5060", "trunk.host: this setting is required: Name or address of the provider's SIP server"),
        ('[database]\nurl = "sqlite+aiosqlite:///"', "database.url = ***: write sqlite+aiosqlite:///FILE or"),
        ("[console\nport = 5", "this is not valid TOML: Expected ']'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_would_be_right(load: Load, text: str, message: str) -> None:
    assert message in refusal(load, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[service]\nfurther_node = true\nnode = 'second'",
            "service.further_node = true: several services can share only a PostgreSQL database",
        ),
        (
            "[service]\nfurther_node = true\n[database]\nurl = 'postgresql://h/d'",
            "service.node = main: every further service needs a name of its own",
        ),
        (
            f"[console]\ntls_certificate = '{__file__}'",
            "console.tls_key: console.tls_certificate is set, so console.tls_key must be set too",
        ),
        (
            f"[console]\ntls_key = '{__file__}'",
            "console.tls_certificate: console.tls_key is set, so console.tls_certificate must be set too",
        ),
        ("[console]\ntls_key = 'nowhere.pem'", "nowhere.pem: there is no such file"),
        (
            f"[console]\ntls_certificate = '{__file__}'\ntls_key = '{__file__}'\nbehind_proxy = true",
            "console.behind_proxy = true: HTTPS ends either here or at the proxy",
        ),
        ("[sip]\nengine = 'pyvoip'\ntcp = true", "sip.tcp = true: the pyvoip engine speaks UDP only"),
        ("[sip]\nport = 8080", "sip.port = 8080: the console has this port on the same address"),
        ("[sip]\nhost = '0.0.0.0'", "sip.advertised_host: others cannot call back 0.0.0.0"),
        ("[media]\nhost = '0.0.0.0'", "media.advertised_host: others cannot call back 0.0.0.0"),
        ("[media]\nfirst_port = 17000", "media.last_port = 16999: the first port (17000) must be below the last one"),
        ("[media]\nfirst_port = 16001", "media.first_port = 16001: the first port must be even, for example 16002"),
        (
            "[media]\nlast_port = 16002",
            "media.last_port = 16002: a call takes four ports: last_port must be at least 16003",
        ),
        ("[media]\nfirst_port = 0", "media.first_port = 0: 0 (any free port) goes only in both"),
        ("[media]\nfirst_port = 100", "media.first_port = 100: ports below 1024 belong to the system"),
        ("[sip]\nport = 16500", "sip.port = 16500: the port lies in the range of the media ports (16000-16999)"),
        (
            "[trunk]\nhost = '127.0.0.2'\nregister = true\ncaller_id = '73420001234'",
            "trunk.register = true: to register at the trunk, set trunk.user and trunk.password",
        ),
        (
            "[trunk]\nhost = '127.0.0.2'\npassword = 's3same'\ncaller_id = '73420001234'",
            "trunk.password = ***: a password is of no use without trunk.user",
        ),
        ("[trunk]\nhost = '127.0.0.2'", "trunk.caller_id: without trunk.user the clients would see no number"),
        (
            TRUNK + "transport = 'tcp'\n[sip]\nengine = 'pyvoip'",
            "trunk.transport = tcp: the pyvoip engine speaks UDP only",
        ),
        # its BYE comes over a connection of its own where ours is closed (RFC 3261 section 18)
        (TRUNK + "transport = 'tcp'\n[sip]\ntcp = false", "a trunk that speaks TCP opens connections to us as well"),
        (
            "[trunk]\nhost = 'sip.example.ru'\nuser = 'a'",
            "sip.host = 127.0.0.1: from 127.0.0.1 the trunk sip.example.ru",
        ),
        ("[trunk]\nhost = '192.0.2.1'\nuser = 'a'", "media.host = 127.0.0.1: from 127.0.0.1 the trunk 192.0.2.1"),
        (
            "[dialing]\nclaim_lease_s = 60\nring_timeout_s = 90",
            "dialing.claim_lease_s = 60: the card would go to a colleague while it rings",
        ),
    ],
)
def test_a_contradiction_stops_the_start(load: Load, text: str, message: str) -> None:
    assert message in refusal(load, text)


@pytest.mark.parametrize(
    "text",
    [
        "[media]\nfirst_port = 0\nlast_port = 0\n[sip]\nport = 0\n[console]\nport = 0",
        "[sip]\nengine = 'pyvoip'",
        "[sip]\nhost = '0.0.0.0'\nadvertised_host = '192.0.2.5'",
        "[sip]\nport = 8080\ntcp = false",
        "[trunk]\nhost = '192.0.2.1'\nuser = 'a'\n[sip]\nhost = '192.0.2.5'\n[media]\nhost = '192.0.2.5'",
        "[service]\nfurther_node = true\nnode = 'second'\n[database]\nurl = 'postgresql://h/d'",
    ],
)
def test_what_does_not_contradict_itself_is_taken(load: Load, text: str) -> None:
    load(text)


def test_all_problems_are_told_at_once(load: Load) -> None:
    text = refusal(load, "[console]\nport = 70000\nprot = 1\n[sip]\nrealm = 5", {"DIALER__SIP__POTR": "1"})
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("DIALER__TRUNK__PASWORD", "did you mean DIALER__TRUNK__PASSWORD?"),
        ("DIALER__TRUNK", "write it as DIALER__SECTION__KEY"),
        ("DIALER__QQQQ__ZZZZ", "write it as DIALER__SECTION__KEY"),
    ],
)
def test_a_misspelt_variable_is_not_passed_over(load: Load, name: str, advice: str) -> None:
    text = refusal(load, "", {name: "s3same"})
    assert text.strip().startswith(f"{name}: ")
    assert advice in text
    assert "s3same" not in text


def test_a_file_that_is_missing_or_no_text_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file; `dialer init FOLDER` writes one"):
        load_settings(tmp_path / "none.toml", {})
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})
    cp1251 = tmp_path / "cp1251.toml"
    cp1251.write_bytes("# настройки".encode("cp1251"))
    with pytest.raises(SettingsError, match="must be saved as UTF-8"):
        load_settings(cp1251, {})
