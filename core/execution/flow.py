"""Where control is in one list of steps. Pure: it is rebuilt from the journal, and says what may start next.

Steps start as soon as what they wait for is done. A barrier waits for everything before it and holds back
everything after it, so when it decides where control goes on, nothing later has begun.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.pipelines.kinds.base import END


@dataclass(frozen=True, slots=True)
class Jump:
    """Where control goes on after a step, and the `on_condition` rule that said so (None: `then` or `else`)."""

    target: str
    rule: int | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step that a jump went over, and who jumped."""

    step_id: str
    visit: int
    by: str


class Flow:
    """The state of one list of steps. `edges` say what waits for what; `chosen` None means all steps."""

    def __init__(
        self, ids: Sequence[str], edges: Mapping[str, Collection[str]], chosen: Collection[str] | None = None
    ) -> None:
        self._place = {step_id: index for index, step_id in enumerate(ids)}
        self._edges = edges
        self._partial = chosen is not None
        self._left = {step_id: None for step_id in ids if chosen is None or step_id in chosen}
        # What is not chosen stands in with what it has: nobody waits for it.
        self._passed = {step_id for step_id in ids if step_id not in self._left}
        self._visits = dict.fromkeys(ids, 1)
        self._loops: dict[tuple[str, int | None], int] = {}
        self.ended_by: str | None = None

    @property
    def has_left(self) -> bool:
        """Whether a step has not begun."""
        return bool(self._left)

    def visit(self, step_id: str) -> int:
        """Which time this is that control comes to a step, from 1."""
        return self._visits[step_id]

    def ready(self) -> list[str]:
        """The steps that may start now, in written order."""
        return [step_id for step_id in self._left if self._passed.issuperset(self._edges[step_id])]

    def start(self, step_id: str) -> None:
        """A step has begun."""
        del self._left[step_id]

    def may_loop(self, step_id: str, rule: int, max_loops: int | None) -> bool:
        """Whether a rule may send control back once more."""
        return max_loops is None or self._loops.get((step_id, rule), 0) < max_loops

    def finish(self, step_id: str, jump: Jump | None = None) -> tuple[Skipped, ...]:
        """A step is done; returns what the jump went over. A run of single cells does not jump."""
        self._passed.add(step_id)
        if jump is None or self._partial:
            return ()
        here = self._place[step_id]
        there = len(self._place) if jump.target == END else self._place[jump.target]
        if there <= here:
            self._repeat(step_id, jump, there, here)
            return ()
        over = [name for name in self._left if here < self._place[name] < there]
        for name in over:
            del self._left[name]
            self._passed.add(name)
        if jump.target == END:
            self.ended_by = step_id
        return tuple(Skipped(name, self._visits[name], step_id) for name in over)

    def _repeat(self, step_id: str, jump: Jump, first: int, last: int) -> None:
        self._loops[step_id, jump.rule] = self._loops.get((step_id, jump.rule), 0) + 1
        again = [name for name, place in self._place.items() if first <= place <= last]
        for name in again:
            self._visits[name] += 1
            self._passed.discard(name)
        self._left = dict.fromkeys([*again, *self._left])
