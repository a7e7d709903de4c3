"""Why something does not work: for the log an English sentence, for people the same one in their language.

A `Reason` is a `str`, so that it goes through exceptions' parameters, events and log lines as what it says; whoever
shows it to a person (`dialer.crm_words.explain`) finds the translation by its code.
"""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from recordings.disk import DISK_REASONS, in_words
from recordings.errors import ERRORS as RECORDING_ERRORS
from recordings.errors import RecordingError

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trunk.not_set_up": "no trunk is set up: add a [trunk] table to the settings",
        "trunk.not_asked_yet": "the trunk has not answered yet",
        "trunk.no_answer": "no answer from {address}",
        "trunk.no_address": "the name {host} has no address in the network",
        "trunk.refused": "{address} refused our registration: {code} {phrase}",
        "sip.port_busy": "SIP port {port} on {host} is in use by another program",
        "sip.cannot_bind": "SIP cannot be spoken on {host}:{port}: {reason}",
        "headset.refused": "it answered {code} {phrase}",
        "headset.declined": "it declined the call",
        "headset.busy": "it is busy",
        "headset.silent": "it rang, but nobody answered",
        "headset.unreachable": "nothing came back from it",
        "headset.no_sound": "the sound part of the service could not take the call",
        "recording.nothing": "nothing was recorded before the service stopped",
        "database.full": "its disk is full",
        "database.low": "The disk of the database is nearly full: {free_mb} MB are free.",
        "database.locked": "another program keeps it locked",
        "database.read_only": "it may only be read",
        "database.cannot_open": "its file cannot be opened",
        "database.disk_error": "the disk reports an error",
        "database.not_one": "the file is no database",
        "database.damaged": "the file is damaged",
        "database.old": "its tables are not those of this version: run `dialer db upgrade`",
        "database.no_answer": "its server does not answer",
        "database.trouble": "The database cannot be used: {reason}.",
        "console.cannot_listen": "the console cannot listen on {host}:{port}: {reason}",
        "console.bad_certificate": "the certificate {certificate} or its key cannot be used",
        "network.address_in_use": "another program uses this address and port",
        "network.not_ours": "this address does not belong to this machine",
        "network.not_allowed": "the system does not allow it",
        "inbox.auth": "{address} does not accept user and password: {said}",
        "inbox.no_answer": "no answer from {address}",
        "inbox.no_folder": "there is no folder {folder} at {address}: {said}",
        "inbox.nobody_there": "nobody listens at {address}",
        "inbox.refused": "{address} refuses: {said}",
        "mail.auth": "{address} does not accept user and password: {code} {said}",
        "mail.broke_off": "the connection to {address} broke off",
        "mail.certificate": "the certificate of {address} is not trusted: {reason}",
        "mail.later": "{address} takes no message now: {code} {said}",
        "mail.no_address": "the name {host} has no address in the network",
        "mail.no_answer": "no answer from {address}",
        "mail.no_auth": "{address} lets nobody sign in this way",
        "mail.no_starttls": "{address} offers no STARTTLS",
        "mail.no_tls": "{address} speaks no TLS here",
        "mail.nobody_there": "nobody listens at {address}",
        "mail.refused": "{address} refused the message: {code} {said}",
        "backup.bad_name": "Name the backup with letters, digits, dots and dashes.",
        "backup.damaged": "The backup is damaged: {file} is missing or not as it was written. Nothing was restored.",
        "backup.exists": "{folder} exists already. A backup is made in a new folder.",
        "backup.folder_not_empty": "{file} is there already. A backup is restored into empty folders only.",
        "backup.inside": "The backup would lie inside {folder}, which is a part of it. Name a folder elsewhere.",
        "backup.later_program": "The backup was made by a later program ({program}).",
        "backup.no_room": "{folder} has too little room: about {needed} MB are needed, {free} MB are free.",
        "backup.not_one": "{folder} is no backup: it has no manifest that can be read.",
        "backup.other_database": "The backup is of a {kind} database, the settings name a {present} database.",
        "backup.outside": "The backup would write {file} outside its folder. It is not one of ours; do not use it.",
        "backup.settings_outside": "The backup's settings put {path} outside {folder}. Copy {file} into {folder}"
        " and take {keys} out of the copy: then everything goes into {folder}. Where what they say is meant, leave"
        " them. Then restore again.",
        "backup.rows_differ": "The restored database has other rows than the backup says. Do not use it.",
        "upkeep.busy": "A backup or the sealing of recordings is under way. Wait until it is done.",
        "recordings.silent": "The disk of the recordings does not answer",
        "recordings.kept_plain": "The settings keep recordings plain ([recordings] encrypt), so none is sealed.",
        "recordings.other_key": "The office's key is not at hand, or it is another one. Put the file back; nothing was"
        " sealed.",
        "backup.under_way": "A backup is copying the files just now. Seal the recordings when it is done.",
        **DISK_REASONS,
        **RECORDING_ERRORS,
    }
)

_TRUNK_WAY = (
    "Is the name right, is the network up, does the firewall let SIP through, does the provider know your address?"
)

# What to do; a part of the sentences above does without, where nobody at the keyboard can do anything.
ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trunk.not_asked_yet": _TRUNK_WAY,
        "trunk.no_answer": _TRUNK_WAY,
        "trunk.no_address": _TRUNK_WAY,
        "trunk.refused": "The provider refuses the account: compare user, password and domain with the contract.",
        "trunk.unknown_account": "The provider does not know this account: compare user and domain with the contract.",
        "sip.port_busy": "Stop the program that has this port, or set sip.host and sip.port.",
        "sip.cannot_bind": "Look at the addresses and ports in [sip] and [media]: are they this machine's?",
        "console.cannot_listen": "Stop the program that has this port, or set console.host and console.port.",
        "console.bad_certificate": "Set console.tls_certificate and console.tls_key to the two files that belong "
        "together (PEM).",
        "inbox.auth": "Compare inbox.user and inbox.password with what the mail provider gave you; some want a "
        "password of its own for each program.",
        "inbox.no_folder": "Set inbox.folder to the name of a folder that is there.",
        "inbox.nobody_there": "Are inbox.host and inbox.port right?",
        "inbox.no_answer": "Are inbox.host and inbox.port right, and does the firewall let us out there?",
        "mail.auth": "Compare mail.user and mail.password with what the mail provider gave you; some want a password "
        "of its own for each program.",
        "mail.certificate": "Is mail.host the name in the certificate? For an own authority set mail.ca_file.",
        "mail.later": "It is tried again by itself. If it stays so, ask the mail provider.",
        "mail.no_address": "Is mail.host right, and is the network up?",
        "mail.no_answer": "Are mail.host and mail.port right, and does the firewall let us out there?",
        "mail.no_auth": "Set mail.tls as the provider wants it: many let nobody sign in over an open connection.",
        "mail.no_starttls": 'Set mail.tls = "tls" and the port for it (often 465).',
        "mail.no_tls": 'Set mail.tls = "starttls" and the port for it (often 587).',
        "mail.nobody_there": "Are mail.host and mail.port right, and does the mail server run?",
        "mail.refused": "Is the address right, and may mail.user send as mail.sender?",
        "database.full": "Free some space there. Nothing that was written is lost.",
        "database.low": "Free some space there.",
        "database.locked": "End the other program.",
        "database.read_only": "Give the file and its folder to the user that runs the service.",
        "database.cannot_open": "Does its folder exist, and may the user that runs the service write there?",
        "database.disk_error": "The disk may be failing: save a copy of the file, and look at the system's log.",
        "database.not_one": "Put the newest copy of the database in its place, or set database.url to the right file.",
        "database.damaged": "Put the newest copy of the database in its place.",
        "database.no_answer": "Does the database server run, and is database.url right?",
    }
)

_BY_SENTENCE = {sentence: code for code, sentence in REASONS.items() if "{" not in sentence}

# What SQLite's own messages mean; asked for in this order.
_DATABASE_WORDS = (
    ("disk is full", "database.full"),
    ("database is locked", "database.locked"),
    ("readonly database", "database.read_only"),
    ("unable to open database file", "database.cannot_open"),
    ("disk I/O error", "database.disk_error"),
    ("file is not a database", "database.not_one"),
    ("is malformed", "database.damaged"),
    ("no such table", "database.old"),
    ("no such column", "database.old"),
    ("Connection refused", "database.no_answer"),
    ("Connect call failed", "database.no_answer"),
)


_BIND_CODES = {
    errno.EADDRINUSE: "network.address_in_use",
    errno.EADDRNOTAVAIL: "network.not_ours",
    errno.EACCES: "network.not_allowed",
    errno.EPERM: "network.not_allowed",
}


class Reason(str):
    """`code` is a key of `REASONS`, `params` fill its sentence; the text itself is the English one."""

    __slots__ = ("code", "params")
    code: str
    params: Mapping[str, object]

    def __new__(cls, code: str, /, **params: object) -> Self:
        reason = super().__new__(cls, REASONS[code].format(**params).rstrip())
        reason.code = code
        reason.params = params
        return reason

    def packed(self) -> str:
        """To be stored; `unpacked` makes it the same again."""
        if not self.params:
            return str(self)
        return f"{self.code} {json.dumps(self.params, ensure_ascii=False)}"


def unpacked(text: str) -> str:
    """A `Reason` as it was before `packed`, or the text as it is when it is nothing of the sort."""
    code, _, params = text.partition(" ")
    if code in REASONS and params.startswith("{"):
        return Reason(code, **{name: known(value) for name, value in json.loads(params).items()})
    return known(text)


def packed(reason: str) -> str:
    """`reason` to be stored, whether its code is known or not."""
    return reason.packed() if isinstance(reason, Reason) else reason


def known(text: object) -> str:
    """The `Reason` that says exactly this, or the text as it is."""
    if isinstance(text, Reason):
        return text
    code = _BY_SENTENCE.get(str(text))
    return Reason(code) if code else str(text)


def of_error(error: Exception) -> str:
    """Why a part failed, from its exception: of the recordings, the database, the disk, the network, or one that
    carries a reason."""
    if isinstance(error, RecordingError):
        return Reason(error.code, **{name: _plain(value) for name, value in error.params.items()})
    if isinstance(error, OSError):
        return known(in_words(error))
    if isinstance(error, SQLAlchemyError):
        return Reason("database.trouble", reason=of_database(error))
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Reason) else known(str(error))


def of_bind(error: OSError) -> str:
    """Why an address and port cannot be used."""
    code = _BIND_CODES.get(error.errno or 0)
    return Reason(code) if code else error.strerror or str(error)


def _plain(value: object) -> object:
    return known(value) if isinstance(value, str) else value


def of_database(error: Exception) -> str:
    """Why the database does not do what it was asked, without the SQL and its values."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError) and cause.errno:
        away = isinstance(cause, ConnectionError | socket.gaierror)
        return Reason("database.no_answer") if away else of_error(cause)
    return of_database_words(str(cause))


def of_database_words(said: str) -> str:
    """What the database itself said, as a `Reason` if that is known."""
    for words, code in _DATABASE_WORDS:
        if words in said:
            return Reason(code)
    return said.partition("\n")[0]


def advice_for(reason: str) -> str:
    """What to do (a message id), "" where nothing is known."""
    if not isinstance(reason, Reason):
        return ""
    unknown = reason.code == "trunk.refused" and reason.params.get("code") == 404
    return ADVICE.get("trunk.unknown_account" if unknown else reason.code, "")
