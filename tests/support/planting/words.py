"""What is planted: one word of chance stands in every value, so that one search finds them all, in any form."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_hex


@dataclass
class Words:
    """The values by what they are. `tag` stands in each that is sealed, `shown` in each that is kept in the clear.

    `kept` come to be stored, `unkept` never do: of them a keyed hash is stored, a word of ours, or nothing.
    """

    tag: str = field(default_factory=lambda: f"canary{token_hex(4)}")
    shown: str = field(default_factory=lambda: f"heron{token_hex(4)}")
    kept: dict[str, str] = field(default_factory=dict)
    unkept: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The person's own, as it is kept."""
        return f"ada.{self.tag}+77@planted.example"

    @property
    def name(self) -> str:
        """The person's own, as it is kept."""
        return f"Ada {self.tag.title()} Zyxwoman"

    def keep(self, what: str, text: str = "{tag}") -> str:
        """A value that will be stored, with a word of its own in it."""
        return self.kept.setdefault(what, self._made(what, text))

    def show(self, what: str) -> str:
        """A value that will be stored in the clear: letters and digits."""
        return self.kept.setdefault(what, self.shown + what.replace(" ", ""))

    def hide(self, what: str, text: str = "{tag}") -> str:
        """A value that is sent in, and that nobody may keep."""
        return self.unkept.setdefault(what, self._made(what, text))

    def halves(self, what: str) -> tuple[str, str]:
        """A value that a step puts together, so that it stands whole in what the step made, and only there."""
        made = self.keep(what)
        middle = len(self.tag) // 2
        return made[:middle], made[middle:]

    def _made(self, what: str, text: str) -> str:
        return text.replace("{tag}", f"{self.tag}-{what.replace(' ', '-')}")
