"""What would be right, for each kind of wrong setting: English sentences, also the keys of their translations."""

from __future__ import annotations

from typing import Final

ADVICE: Final[dict[str, str]] = {
    # the file
    "file_missing": "there is no such file; `dialer init FOLDER` writes one, or name yours with -c",
    "file_unreadable": "the file cannot be read: {reason}",
    "file_encoding": "the file must be saved as UTF-8",
    "file_syntax": "this is not valid TOML: {reason}",
    # a table or a key
    "unknown": "there is no such setting; these exist: {known}",
    "unknown_like": "there is no such setting; did you mean {like}?",
    "missing": "this setting is required: {description}",
    "not_a_table": "this must be a table: a line [{key}] with its settings below it",
    "environment_name": "write it as DIALER__SECTION__KEY, for example DIALER__TRUNK__PASSWORD",
    # a value
    "text": 'this must be text in quotes, like "abc"',
    "integer": "this must be a whole number, without quotes",
    "boolean": "this must be true or false",
    "list": "this must be a list, like {example}",
    "choice": "this must be one of: {choices}",
    "least": "this must be at least {limit}{unit}",
    "most": "this must be at most {limit}{unit}",
    "empty": "this must not be empty",
    "pattern": "this cannot be used; wanted: {description}",
    "twice": "each value may stand in the list only once",
    "time_zone": "there is no such time zone; write an IANA name like {like}",
    "host": "write a host name or an IP address only, without sip:, http:// or a port",
    "address": "write an IP address only: no name, no sip: and no port",
    "database_url": (
        "write sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME, "
        "or leave it empty for a file in data_dir"
    ),
    "web_address": "write the address as people type it, like https://dialer.example.ru",
    "prefix": "write + and digits, like +7",
    "region": "write a country as two capital letters, like RU",
    "other": "this cannot be used: {reason}",
    # two settings against each other
    "needs": "{key} is set, so {other} must be set too",
    "register_needs_user": "to register at the trunk, set trunk.user and trunk.password",
    "password_needs_user": "a password is of no use without trunk.user",
    "further_node_sqlite": "several services can share only a PostgreSQL database; set database.url, or this to false",
    "further_node_name": "every further service needs a name of its own; main is the first one's",
    "pyvoip_tcp": 'the pyvoip engine speaks UDP only; set it to "udp", or sip.engine = "native"',
    "pyvoip_listens_udp": 'the pyvoip engine speaks UDP only; set it to false, or sip.engine = "native"',
    "trunk_tcp": 'a trunk that speaks TCP opens connections to us as well; set it to true, or trunk.transport = "udp"',
    "ports_reversed": "the first port ({first}) must be below the last one",
    "ports_odd": "the first port must be even, for example {even}",
    "ports_few": "a call takes four ports: last_port must be at least {least}",
    "ports_any": "0 (any free port) goes only in both first_port and last_port",
    "ports_low": "ports below 1024 belong to the system; begin at 16000, for example",
    "port_in_range": "the port lies in the range of the media ports ({first}-{last}); move one of them",
    "same_port": "the console has this port on the same address; SIP over TCP needs another one",
    "advertised": "others cannot call back {host}; set {other} to this machine's address in the network",
    "loopback_trunk": (
        "from {host} the trunk {trunk} cannot be reached; set it to this machine's address in the network, or 0.0.0.0 "
        "with advertised_host"
    ),
    "tls_file": "there is no such file",
    "tls_and_proxy": "HTTPS ends either here or at the proxy: leave tls_certificate empty, or set behind_proxy = false",
    "public_url_http": "with HTTPS switched on this must begin with https://",
    "expression": "this is no regular expression: {reason}",
    "inbox_without_mail": "answers come only to offers: set mail.host, too",
    "mail_in_the_clear": (
        'messages to {host} would cross the network for everybody to read; set it to "starttls" or "tls"'
    ),
    "caller_id_needed": "without trunk.user the clients would see no number; set trunk.caller_id",
    "lease_short": "the card would go to a colleague while it rings; it must be longer than ring_timeout_s ({ring} s)",
}
