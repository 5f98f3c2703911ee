"""Where the attempts of a run stand in this process, and what they hold and spent; and the ends that need no result.

The claim's attempts are the truth of this process: each end is noted there before it is queued for the journal.
"""

from datetime import datetime

from core.execution.changes import Attempt, Claim, StepEnded, StepKey, StepStarted
from core.execution.frames import Frame
from core.execution.kinds import Prepared
from core.execution.outcomes import Outcome
from core.execution.run_masks import RunMasker
from core.execution.starts import step_started
from core.pipelines.definition import Step
from core.shared.errors import AppError
from core.shared.types import JsonValue


class Attempts:
    """The attempts of a run. `held` and `spent` are micro-credits."""

    def __init__(self, claim: Claim, masker: RunMasker) -> None:
        self._known = claim.attempts
        self._masker = masker
        self.spent = claim.spent_micros
        # Calls that were under way when the run was taken over hold their credits until they are taken up again.
        self.held = sum(each.held_micros for each in self._known.values() if each.status == "running")

    def begin(self, started: StepStarted) -> None:
        """It is under way."""
        held = started.held_micros
        self._known[started.key] = Attempt(started.row_id, started.attempt, "running", held, None)

    def wait(self, started: StepStarted) -> None:
        """It waits for a person."""
        self._known[started.key] = Attempt(started.row_id, started.attempt, "waiting", 0, None)

    def let_go(
        self,
        started: StepStarted,
        status: str,
        retry_at: datetime | None = None,
        output: JsonValue = None,
        notes: dict[str, JsonValue] | None = None,
    ) -> None:
        """It is over, and holds nothing any more."""
        known = self._known.get(started.key)
        if known is not None and known.status == "running":
            self.held -= started.held_micros
        self._known[started.key] = Attempt(started.row_id, started.attempt, status, 0, retry_at, output, notes or {})

    def settle(self, started: StepStarted, outcome: Outcome) -> None:
        """It ended with a result, which cost what it says."""
        ended = outcome.ended
        assert ended is not None
        notes: dict[str, JsonValue] = {name: ended.content[name] for name in ("goto", "next") if name in ended.content}
        self.let_go(started, ended.status, ended.retry_at, outcome.output, notes)
        self.spent += ended.credit_micros

    def fail(self, started: StepStarted, error: AppError) -> StepEnded:
        """It ends before it did anything. What it held is left to who calls."""
        self._known[started.key] = Attempt(started.row_id, started.attempt, "failed", 0, None)
        content: dict[str, JsonValue] = {**started.content, "error": self._masker.text(error.message)}
        return StepEnded(
            started.key, started.row_id, started.attempt, "failed", content, error_code=error.code,
            held_micros=started.held_micros, started=started,
        )  # fmt: skip

    def skip(self, frame: Frame, step: Step, key: StepKey, row_id: str, by: str) -> StepEnded:
        """It is jumped over."""
        started = step_started(frame, step, key, row_id, 1, Prepared(), self._masker)
        self._known[key] = Attempt(row_id, 1, "skipped", 0, None)
        reason = f"{by} went on elsewhere."
        return StepEnded(key, row_id, 1, "skipped", {"reason": reason, "by": by}, started=started)

    def close(self, path: str, error: AppError) -> list[StepEnded]:
        """Steps under a path that were cut end: their holds go back."""
        cut = [key for key, attempt in self._known.items() if attempt.status in ("running", "waiting")]
        ends = []
        for key in cut:
            if key.frame.startswith(path):
                known = self._known[key]
                self.held -= known.held_micros
                self._known[key] = Attempt(known.row_id, known.attempt, "failed", 0, None)
                content: dict[str, JsonValue] = {"error": self._masker.text(error.message)}
                ends.append(
                    StepEnded(
                        key, known.row_id, known.attempt, "failed", content, error.code, held_micros=known.held_micros
                    )
                )
        return ends
