"""A statement as a PDF: a page of figures, then the movements in lines, with the hash that they end with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

from core.accounts.plans import PLANS
from core.credits.statements import TITLES, Line, Statement
from core.platform.pdf_writing import A4, BOLD, INK, MUTED, RULE, TEXT, fit, new_canvas
from core.shared.money import MICROS, exact_credits

if TYPE_CHECKING:
    from core.accounts.domain import Account

HEIGHT, WIDTH = A4  # lying
MARGIN, LINE, SIZE = 40.0, 15.0, 8.0


@dataclass(frozen=True)
class Column:
    """A column of the movements: its name, where it begins, how wide it is, and whether it holds numbers."""

    name: str
    left: float
    width: float
    is_number: bool = False


COLUMNS = (
    Column("Time (UTC)", 0, 92),
    Column("What", 92, 232),
    Column("Model", 324, 124),
    Column("Tokens in, out", 448, 84, True),
    Column("Prices", 540, 100),
    Column("Credits", 636, 60, True),
    Column("Balance", 696, 66, True),
)


def statement_pdf(owner: Account, found: Statement, lines: Sequence[Line], names: Mapping[str, str]) -> bytes:
    """The PDF of a statement with these lines, oldest first. `names`: of pipelines by id."""
    out, period = BytesIO(), period_words(found)
    canvas = new_canvas(
        out,
        (WIDTH, HEIGHT),
        title=f"stepIQ statement of credits, {period}",
        subject="Opening balance, movements and closing balance of credits",
    )
    sheet = _Sheet(canvas, f"Statement of credits, {period}")
    sheet.begin()
    _draw_summary(sheet, owner, found, period)
    if lines:
        sheet.space(LINE)
        sheet.draw_head()
        for line in lines:
            sheet.draw_row(cells_of(line, names))
    else:
        sheet.write("Nothing was booked in this time.", colour=MUTED)
    sheet.end()
    canvas.save()
    return out.getvalue()


def period_words(found: Statement) -> str:
    """The time of a statement in words, both days included."""
    first = f"{found.since:%Y-%m-%d}" if found.since else "the first movement"
    last = f"{found.until - timedelta(microseconds=1):%Y-%m-%d}" if found.until else "now"
    return f"{first} to {last}"


def totals_of(found: Statement) -> Iterator[tuple[str, int]]:
    """The lines that lead from the opening to the closing balance."""
    yield "Opening balance", found.opening_micros
    for kind, title in TITLES.items():
        if found.totals.get(kind):
            said = "Granted as they were used" if kind == "grant" and found.unlimited else title
            yield said, found.totals[kind]
    yield "Closing balance", found.closing_micros


def said_of(line: Line, names: Mapping[str, str]) -> str:
    """What a line was for: its pipeline and step, or what happened."""
    if line.kind != "settle":
        return TITLES.get(line.kind, line.kind)
    return f"{pipeline_of(line, names)} · {line.step}"


def pipeline_of(line: Line, names: Mapping[str, str]) -> str:
    """The pipeline of a charge by the name it has now."""
    return names.get(line.pipeline_id or "", "A pipeline that is gone" if line.pipeline_id else "From a file")


def cells_of(line: Line, names: Mapping[str, str]) -> tuple[str, ...]:
    """A line as the texts of its columns."""
    used = f"{line.input_tokens:,} → {line.output_tokens:,}" if line.kind == "settle" else ""
    return (
        f"{line.at:%Y-%m-%d %H:%M:%S}",
        # The step first: where a name is long, it is the name that is cut.
        f"{line.step} · {pipeline_of(line, names)}" if line.kind == "settle" else said_of(line, names),
        (line.model or "").partition("/")[2],
        used,
        line.price_version or "",
        _aligned(line.micros),
        _aligned(line.balance_micros),
    )


def _aligned(micros: int) -> str:
    return f"{Decimal(micros) / MICROS:,.6f}"


def _draw_summary(sheet: _Sheet, owner: Account, found: Statement, period: str) -> None:
    sheet.write("Statement of credits", font=BOLD, size=16, height=24)
    sheet.write(period, size=11, height=20)
    sheet.write(f"{owner.name or owner.email}  ·  {owner.email}  ·  {PLANS[owner.plan].title} plan", colour=MUTED)
    sheet.write(f"Account {owner.id}", colour=MUTED, height=22)
    for title, micros in totals_of(found):
        is_end = title in ("Opening balance", "Closing balance")
        sheet.write_pair(title, f"{exact_credits(micros)} cr", font=BOLD if is_end else TEXT)
    sheet.space(8)
    head = found.head.hex()
    sheet.write(f"Movement {max(found.stretch.last, found.stretch.first - 1)} has the hash {head}.", colour=MUTED)
    sheet.write(
        "Keep it: whoever has it can prove with an export (JSON) that nothing up to here was changed since, "
        "with: stepiq ledger verify FILE --head HASH.",
        colour=MUTED,
    )
    sheet.write(
        "One credit is 1,000,000 micro-credits. Prices name the price book that a charge was made by.", colour=MUTED
    )


class _Sheet:
    """Writes downwards, page after page."""

    def __init__(self, canvas: Any, running_title: str) -> None:
        self._canvas, self._title = canvas, running_title
        self._y, self._page = 0.0, 0

    def begin(self) -> None:
        """A new page, with its foot."""
        self._page += 1
        self._y = HEIGHT - MARGIN
        self._canvas.setFont(TEXT, 7)
        self._canvas.setFillColorRGB(*MUTED)
        self._canvas.drawString(MARGIN, MARGIN - 16, self._title)
        self._canvas.drawRightString(WIDTH - MARGIN, MARGIN - 16, f"Page {self._page}")

    def end(self) -> None:
        """The last page is done."""
        self._canvas.showPage()

    def space(self, height: float) -> None:
        """Leave room."""
        self._y -= height

    def write(self, text: str, *, font: str = TEXT, size: float = 9, height: float = LINE, colour: Any = INK) -> None:
        """A line of text."""
        self._put(MARGIN, self._y - size, text, WIDTH - 2 * MARGIN, font=font, size=size, colour=colour)
        self._y -= height

    def write_pair(self, name: str, value: str, *, font: str) -> None:
        """A name and a number, a line."""
        self._put(MARGIN, self._y - 9, name, 200, font=font, size=9, colour=INK)
        self._put(MARGIN, self._y - 9, value, 330, font=font, size=9, colour=INK, to_right=True)
        self._y -= LINE

    def draw_head(self) -> None:
        """The names of the columns."""
        for column in COLUMNS:
            place = MARGIN + column.left
            self._put(
                place, self._y - SIZE, column.name, column.width - 6, font=BOLD, size=SIZE, colour=MUTED,
                to_right=column.is_number,
            )  # fmt: skip
        self._y -= LINE
        self._rule()

    def draw_row(self, cells: Sequence[str]) -> None:
        """A movement; on a new page with the head anew."""
        if self._y - LINE < MARGIN:
            self._canvas.showPage()
            self.begin()
            self.draw_head()
        for column, text in zip(COLUMNS, cells, strict=True):
            place = MARGIN + column.left
            size = 6.0 if column.name == "Prices" else SIZE
            self._put(
                place, self._y - SIZE - 2, text, column.width - 6, font=TEXT, size=size, colour=INK,
                to_right=column.is_number,
            )  # fmt: skip
        self._y -= LINE
        self._rule()

    def _rule(self) -> None:
        self._canvas.setStrokeColorRGB(*RULE)
        self._canvas.setLineWidth(0.4)
        self._canvas.line(MARGIN, self._y, WIDTH - MARGIN, self._y)

    def _put(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        font: str,
        size: float,
        colour: Any,
        to_right: bool = False,
    ) -> None:
        fitted = fit(" ".join(text.split()), font, size, width)
        self._canvas.setFont(font, size)
        self._canvas.setFillColorRGB(*colour)
        if to_right:
            self._canvas.drawRightString(x + width, y, fitted)
        else:
            self._canvas.drawString(x, y, fitted)
