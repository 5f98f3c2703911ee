"""The text of a PDF, page by page."""

from __future__ import annotations

import io
import re

from pypdf import PasswordType, PdfReader

from core.platform.files.errors import too_complex
from core.shared.errors import InvalidInput

MOST_PAGES = 500
MOST_CHARACTERS = 4_000_000
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def pdf_text(content: bytes) -> tuple[str, int]:
    """The text, pages apart by an empty line, and the number of pages.

    Raises InvalidInput for a PDF under a password, and for one that holds only pictures of pages; anything for a
    damaged one.
    """
    reader = PdfReader(io.BytesIO(content))
    # Many files forbid only printing: they open with the empty password.
    if reader.is_encrypted and not _opens(reader):
        raise _wrong("FILE_ENCRYPTED", "The PDF needs a password. Save it without one, then send it again.")
    pages = len(reader.pages)
    if pages > MOST_PAGES:
        raise _wrong("FILE_TOO_COMPLEX", f"The PDF has {pages:,} pages; {MOST_PAGES} are allowed. Split it.")
    texts: list[str] = []
    size = 0
    for page in reader.pages:
        texts.append(_UNPRINTABLE.sub("", page.extract_text()).strip())
        size += len(texts[-1])
        if size > MOST_CHARACTERS:
            raise too_complex()
    if not size:
        said = "The PDF holds pictures of pages and no text. Run text recognition first, or send the pages as images."
        raise _wrong("FILE_HAS_NO_TEXT", said)
    return "\n\n".join(text for text in texts if text), pages


def _opens(reader: PdfReader) -> bool:
    try:
        return reader.decrypt("") is not PasswordType.NOT_DECRYPTED
    except NotImplementedError:  # a way of encrypting that is no standard one
        return False


def _wrong(code: str, said: str) -> InvalidInput:
    return InvalidInput(code, said, field="file")
