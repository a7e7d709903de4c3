"""PDFs read back by a library that did not write them."""

from __future__ import annotations

import io

from pypdf import PdfReader


def text_of(content: bytes) -> str:
    """What a reader sees, page by page."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
