"""Errors of files."""

from core.platform.files.domain import ACCEPTED, MEGABYTE
from core.shared.errors import InvalidInput, LimitExceeded, NotFound


def file_not_found() -> NotFound:
    """No such file, or somebody else's."""
    return NotFound("FILE_NOT_FOUND", "There is no such file.")


def file_gone() -> NotFound:
    """The row is there, its content is not."""
    return NotFound("FILE_GONE", "The content of this file is no longer stored. Upload it again.")


def file_too_large(limit: int) -> LimitExceeded:
    """Above the size setting."""
    size = f"{limit // MEGABYTE} MB" if limit >= MEGABYTE else f"{limit:,} bytes"
    return LimitExceeded("FILE_TOO_LARGE", f"A file may have {size}. Make it smaller or split it, then send it again.")


def no_space_left(limit: int) -> LimitExceeded:
    """A person's files fill the space they have."""
    return LimitExceeded(
        "FILE_SPACE_FULL", f"Your files fill the {limit // MEGABYTE:,} MB you have. Delete some, then send it again."
    )


def empty_file() -> InvalidInput:
    """Nothing in it."""
    return InvalidInput("FILE_EMPTY", "The file is empty.", field="file")


def unsupported(what: str) -> InvalidInput:
    """A kind of content that is not taken."""
    return InvalidInput("FILE_TYPE_UNSUPPORTED", f"{what} Accepted are {ACCEPTED}.", field="file")


def too_complex() -> InvalidInput:
    """Reading it took more time or memory than a file may."""
    text = "Reading this file takes too long or too much memory. Simplify it or split it, then send it again."
    return InvalidInput("FILE_TOO_COMPLEX", text, field="file")


def has_no_text(kind: str) -> InvalidInput:
    """Asked for the text of a kind that has none."""
    return InvalidInput("FILE_HAS_NO_TEXT", f"A {kind} file has no text for a template. Use it in a map or sql step.")


def has_no_rows(kind: str) -> InvalidInput:
    """Asked for the rows of a kind that has none."""
    return InvalidInput("FILE_HAS_NO_ROWS", f"A {kind} file has no rows. Use a CSV, JSON, JSON lines or Parquet file.")


def not_an_image(kind: str) -> InvalidInput:
    """Asked for the picture of a kind that is none."""
    return InvalidInput("FILE_NO_IMAGE", f"A {kind} file is no image. Use a PNG, JPEG, WebP or GIF file.")
