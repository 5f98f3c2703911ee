"""One row of the table, and how it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured value, what it is held against, and the most the ratio may be."""

    what: str
    measured: float
    unit: str
    against: str
    peer: float
    limit: float

    @property
    def ratio(self) -> float:
        """Measured over peer."""
        return self.measured / self.peer

    @property
    def met(self) -> bool:
        """Whether the ratio keeps its limit."""
        return self.ratio <= self.limit

    def line(self) -> str:
        """The row as a line of Markdown."""
        mark = "met" if self.met else "NOT MET"
        return (
            f"| {self.what} | {self.measured:.3g} {self.unit} | {self.against}: {self.peer:.3g} {self.unit} "
            f"| {self.ratio:.2f} | {self.limit:g} | {mark} |"
        )


HEADER = "| work | measured | against | ratio | limit | |\n|---|---|---|---|---|---|"
