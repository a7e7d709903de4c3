"""Stylesheet, scripts and icon: a handful of files, read and compressed once, named by their content in links."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parents[1] / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file. `tag` is a short hash of its content: a changed file has a new address."""

    content_type: str
    plain: bytes
    compressed: bytes
    tag: str


class StaticFiles:
    """The files of `folder`, in memory."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.files = {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}

    def address(self, name: str) -> str:
        """The link to a file. Raises `KeyError` for a name that is not there, so that a template cannot misspell it."""
        return f"/static/{name}?v={self.files[name].tag}"

    def response(self, request: web.Request, name: str) -> web.Response:
        """The file, compressed when the browser takes that; 304 when it has this content. Raises `HTTPNotFound`."""
        file = self.files.get(name)
        if file is None:
            raise web.HTTPNotFound
        # A link with the hash may be kept for ever; one without it must be asked for again.
        lasting = request.query.get("v") == file.tag
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
            "ETag": f'"{file.tag}"',
            "Vary": "Accept-Encoding",
        }
        if any(tag.value == file.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        body = file.plain
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.compressed, "gzip"
        return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)


def _read(path: Path) -> StaticFile:
    plain = path.read_bytes()
    return StaticFile(
        content_type=_TYPES[path.suffix],
        plain=plain,
        compressed=gzip.compress(plain, mtime=0),
        tag=hashlib.sha256(plain).hexdigest()[:12],
    )
