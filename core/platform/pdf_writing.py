"""What PDFs here are written with: fonts, colours, a canvas that says its title and language, text that fits.

The text is text: it can be selected, searched and read aloud in its order. The font knows Latin, Greek, Cyrillic,
Hebrew, Arabic and more; a sign of another script is drawn as a box.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

FONTS = Path(__file__).parent / "fonts"
TEXT, BOLD = "DejaVuSans", "DejaVuSans-Bold"
A4 = (595.0, 842.0)
INK, MUTED, RULE = (0.11, 0.14, 0.19), (0.36, 0.4, 0.46), (0.85, 0.87, 0.9)


def new_canvas(out: BytesIO, size: tuple[float, float], *, title: str, subject: str, language: str = "en") -> Any:
    """A canvas of reportlab's, with the properties that readers and screen readers ask for."""
    from reportlab.pdfgen.canvas import Canvas  # here: it takes 20 MB that a server without PDFs needs not

    _register_fonts()
    canvas = Canvas(out, pagesize=size, pageCompression=1, lang=language, initialFontName=TEXT)
    canvas.setTitle(title)
    canvas.setAuthor("stepIQ")
    canvas.setSubject(subject)
    canvas.setViewerPreference("DisplayDocTitle", "true")
    return canvas


def fit(text: str, font: str, size: float, width: float) -> str:
    """The text, shortened to a width."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    if stringWidth(text, font, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = stringWidth(text[:middle].rstrip() + "…", font, size) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + "…"


def wrap(text: str, font: str, size: float, width: float) -> Iterator[str]:
    """The text in lines of at most a width, broken between words where it can be; an empty line stays one."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if stringWidth(longer, font, size) <= width:
                line = longer
                continue
            if line:
                yield line
            while stringWidth(word, font, size) > width:
                cut = next(
                    at for at in range(len(word), 0, -1) if stringWidth(word[:at], font, size) <= width or at == 1
                )
                yield word[:cut]
                word = word[cut:]
            line = word
        yield line


@cache
def _register_fonts() -> None:
    """Make the fonts known, once a process."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (TEXT, BOLD):
        registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
