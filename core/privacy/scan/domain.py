"""What a scan found, where it looked, and where it did not. It names places, and never repeats a value. Pure."""

from dataclasses import dataclass

NOT_SEARCHED = (
    "what other people wrote, in their own encrypted content: it is theirs",
    "the memory of running processes: keys are held there for five seconds, drafts on a page until it is closed",
    "standard error of the processes, where it is kept: it has opaque ids only",
    "mail servers, Stripe, providers of models and PostHog, who hold what they were sent by their own terms",
    "backups and copies that an operator keeps elsewhere: what is sealed in them opens no more, its key is gone",
)
SHORTEST_TEXT, LONGEST_TEXT = 4, 1_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A value in a place. `value` is its number among those that were looked for; `form` how it is written there."""

    store: str
    place: str
    value: int
    form: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The hits; what was looked through, and what was not, in words; how many bytes that was."""

    hits: tuple[Hit, ...]
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]
    bytes_read: int

    @property
    def places(self) -> tuple[str, ...]:
        """The places with a hit, each once, in words."""
        found: dict[str, set[str]] = {}
        for hit in self.hits:
            found.setdefault(f"{hit.store}: {hit.place}", set()).add(hit.form)
        return tuple(f"{place} ({', '.join(sorted(forms))})" for place, forms in sorted(found.items()))
