"""All that is held on one person as a ZIP: for programs (JSON), for reading (HTML), and the recordings."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from html import escape
from typing import IO, Any, BinaryIO, Final

from crm.calls.recording_facts import Recording
from crm.care.person_file import PersonFile
from dialer.sound_files import sound_of
from dialer.words import Words, mark
from recordings.errors import RecordingError
from recordings.store import Store

JSON_FILE: Final = "person.json"
HTML_FILE: Final = "person.html"
MISSING_FILE: Final = "missing.txt"

_HEADINGS: Final[Mapping[str, str]] = {
    "person": mark("The person"),
    "phone_numbers": mark("Telephone numbers"),
    "calls": mark("Calls"),
    "outcomes": mark("What was written down after calls"),
    "drafts": mark("What was typed and not saved"),
    "contacts": mark("Conversations"),
    "callbacks": mark("Agreed times"),
    "do_not_call": mark("Requests not to be called"),
    "recordings": mark("Recordings"),
    "deals": mark("Deals"),
    "audit": mark("Entries of the audit"),
    "mentions": mark("Other texts that tell of the person"),
}

OpenRecording = Callable[[Recording], BinaryIO]


def from_store(store: Store, office_key: bytes) -> OpenRecording:
    """How the recordings of this store are opened."""
    return lambda recording: sound_of(store, recording, office_key)


def write_zip(target: IO[bytes], held: PersonFile, words: Words, open_recording: OpenRecording) -> None:
    """Write the ZIP. A recording that cannot be read is named in `missing.txt` rather than left out in silence."""
    told = held.as_json()
    missing = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(JSON_FILE, json.dumps(told, ensure_ascii=False, indent=1))
        archive.writestr(HTML_FILE, page(told, words))
        for recording in held.recordings:
            if not recording.playable:
                continue
            name = f"recordings/{recording.attempt_id}.wav"
            try:
                with open_recording(recording) as file, archive.open(name, "w", force_zip64=True) as copy:
                    shutil.copyfileobj(file, copy)
            except (RecordingError, OSError) as error:
                missing.append(f"{name}: {error}")
        if missing:
            archive.writestr(MISSING_FILE, "\n".join(missing))


def page(told: Mapping[str, Any], words: Words) -> str:
    """What is held, as one page that needs nothing else."""
    name = told["person"][0]["full_name"]
    title = words.gettext("What is held on {name}", name=name)
    parts = [
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title></head><body><h1>{escape(title)}</h1><p>{escape(told['organisation'])}</p>",
    ]
    for table, heading in _HEADINGS.items():
        parts.append(f"<h2>{escape(words.gettext(heading))}</h2>")
        rows: list[Mapping[str, Any]] = told[table]
        if not rows:
            parts.append(f"<p>{escape(words.gettext('nothing'))}</p>")
        parts += [_table(row) for row in rows]
    return "\n".join([*parts, "</body></html>"])


def _table(row: Mapping[str, Any]) -> str:
    """The fields of a row that say something, one below the other."""
    lines = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_readable(value))}</td></tr>"
        for name, value in row.items()
        if value not in (None, "", {}, [])
    )
    return f'<table border="1">{lines}</table><br>'


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
