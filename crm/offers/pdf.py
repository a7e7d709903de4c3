"""An offer as a PDF: plain lines of an embedded font. The text is drawn letter by letter and never read as markup."""

from __future__ import annotations

import functools
import importlib.resources
import io
from collections.abc import Iterator
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

_MARGIN: Final = 62.0  # points
_WIDTH: Final = A4[0] - 2 * _MARGIN
_REGULAR, _BOLD = "SourceSansPro-Regular", "SourceSansPro-Bold"
_TITLE, _TEXT, _SMALL = 16.0, 11.0, 9.0  # points
_LINE: Final = 1.36  # of the size
_LEAST_BOTTOM: Final = _MARGIN + 2 * _SMALL
_NO_GLYPH: Final = "\N{WHITE SQUARE}"


def pdf_of(subject: str, body: str, *, top: str = "") -> bytes:
    """The document, the same for the same texts. `top`: a line above it, such as who offers and when."""
    _set_up_fonts()
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(subject)
    y, page = A4[1] - _MARGIN, 1
    for font, size, line in _lines(subject, body, top):
        if y - size * _LINE < _LEAST_BOTTOM:
            _end_page(canvas, page)
            y, page = A4[1] - _MARGIN, page + 1
        y -= size * _LINE
        if line:
            canvas.setFont(font, size)
            canvas.drawString(_MARGIN, y, line)
    _end_page(canvas, page)
    canvas.save()
    return file.getvalue()


def _end_page(canvas: Canvas, page: int) -> None:
    canvas.setFont(_REGULAR, _SMALL)
    canvas.drawRightString(A4[0] - _MARGIN, _MARGIN, str(page))
    canvas.showPage()


def _lines(subject: str, body: str, top: str) -> Iterator[tuple[str, float, str]]:
    if top:
        yield from ((_REGULAR, _SMALL, line) for line in _broken(top, _REGULAR, _SMALL))
        yield _REGULAR, _TEXT, ""
    yield from ((_BOLD, _TITLE, line) for line in _broken(subject, _BOLD, _TITLE))
    yield _REGULAR, _TEXT, ""
    for paragraph in body.split("\n"):
        yield from ((_REGULAR, _TEXT, line) for line in _broken(paragraph.expandtabs(4), _REGULAR, _TEXT))


def _broken(text: str, font: str, size: float) -> Iterator[str]:
    """Lines that fit, broken between words, and within a word that is wider than the page."""
    line, width = "", 0.0
    space = pdfmetrics.stringWidth(" ", font, size)
    for word in _drawable(text, font).split(" "):
        wide = pdfmetrics.stringWidth(word, font, size)
        if line and width + space + wide > _WIDTH:
            yield line
            line, width = "", 0.0
        for piece in _pieces(word, font, size) if wide > _WIDTH else (word,):
            if line and width + space + pdfmetrics.stringWidth(piece, font, size) > _WIDTH:
                yield line
                line = ""
            line = f"{line} {piece}" if line else piece
            width = pdfmetrics.stringWidth(line, font, size)
    yield line


def _pieces(word: str, font: str, size: float) -> Iterator[str]:
    piece, width = "", 0.0
    for letter in word:
        wide = pdfmetrics.stringWidth(letter, font, size)
        if piece and width + wide > _WIDTH:
            yield piece
            piece, width = "", 0.0
        piece, width = piece + letter, width + wide
    yield piece


def _drawable(text: str, font: str) -> str:
    """`text` with a square for what the font does not have, so that nobody takes a hole for nothing."""
    known = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(letter if ord(letter) in known else _NO_GLYPH for letter in text if letter != "\u00ad")


@functools.lru_cache(maxsize=1)
def _set_up_fonts() -> None:
    folder = importlib.resources.files("font_source_sans_pro") / "files"
    for name in (_REGULAR, _BOLD):
        with importlib.resources.as_file(folder / f"{name}.ttf") as file:
            pdfmetrics.registerFont(TTFont(name, str(file)))
