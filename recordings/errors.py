"""What goes wrong with recordings, each with a code for programs and a sentence for people."""

from collections.abc import Mapping
from types import MappingProxyType

ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "store.folder_missing": "The recordings folder {folder} does not exist. Is its disk mounted?",
        "store.not_a_folder": "{folder} is not a folder, so recordings cannot be kept in it.",
        "store.not_writable": "The recordings folder {folder} cannot be written to: {reason}.",
        "store.full": "The recordings' disk is nearly full: {free_mb} MB are free, {reserve_mb} MB are kept in reserve."
        " Free some space or move recordings away.",
        "store.bad_key": "{key} is not the key of a recording.",
        "store.unknown_key": "There is no recording {key} in the store.",
        "store.key_taken": "There is already a recording {key} in the store.",
        "file.missing": "The recording {path} does not exist.",
        "file.unreadable": "The recording {path} cannot be read: {reason}.",
        "file.no_key": "The recording {path} is sealed, and its key is not there.",
        "file.other_key": "The recording {path} is damaged, or this is not its key.",
        "file.not_sealed": "The recording {path} was sealed, and another file lies in its place.",
        "file.changed": "The recording {path} is not as it was made: its file was changed.",
        "file.not_wav": "The recording {path} is not a WAV file with 16-bit samples: {reason}.",
        "file.no_header": "The recording {path} ends before its sound begins: nothing was recorded.",
        "file.not_written": "The recording {path} cannot be written: {reason}.",
        "file.too_long": "The recording {path} is longer than a WAV file can be (4 GB).",
        "range.not_satisfiable": "None of the requested bytes exist: the recording has {size} bytes.",
    }
)


class RecordingError(Exception):
    """The root of this package's errors.

    `code` is one of `ERRORS`, `params` fill its sentence.
    """

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(ERRORS[code].format(**params))


class StoreError(RecordingError):
    """The place where recordings are kept cannot do what was asked."""


class BrokenRecording(RecordingError):
    """A recording's file cannot be read as sound."""


class RangeNotSatisfiable(RecordingError):
    """A range request that no byte of the recording satisfies (RFC 9110 section 15.5.17)."""


class RecordingStopped(RecordingError):
    """The file of a live recording cannot be opened or grow; what was written before stays readable."""
