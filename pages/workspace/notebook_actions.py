"""What a person does in the notebook, each handed to one command.

Edits start from the stored draft, not from what the page was drawn with: two edits that arrive together
both stay, and another window's change is not overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.accounts.domain import Account
from core.accounts.provider_notices import note_terms_seen
from core.execution.commands import cancel_run, fork_run, run_cells
from core.execution.domain import Mode, NotebookView
from core.execution.egress_queries import recipients_of
from core.execution.first_use import first_uses
from core.execution.found_before import found_before
from core.execution.notebook import notebook, quoted_most
from core.pipelines import editing
from core.pipelines.commands import (
    archive_pipeline,
    create_pipeline,
    restore_version,
    save_draft,
    save_version,
    unarchive_pipeline,
)
from core.pipelines.definition import Definition, walk_steps
from core.pipelines.kinds.map import MapStep
from core.pipelines.personal_data import choose_screening
from core.pipelines.queries import get_pipeline
from core.shared.types import JsonValue
from pages.ui.address import address, go
from pages.ui.before_run import Before
from pages.ui.inputs import read_input
from pages.ui.memory import NotebookMemory, ask_dialog
from pages.ui.navigator import scroll_to
from pages.ui.notices import attempt, forget_undo, offer_undo, say
from pages.ui.session import guarded
from pages.ui.starters import Beginning, new_step
from pages.ui.steps import callable_pipelines

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


@dataclass(frozen=True)
class Notebook:
    """One pipeline in the hands of one person. `definition` is the last one without errors."""

    runtime: Runtime
    owner: Account
    pipeline_id: str
    definition: Definition | None

    # Running

    @guarded
    def run(self, mode: Mode, step_id: str | None = None) -> None:
        """Starts a run at once below the person's confirm limit, otherwise asks first."""
        view = notebook(self.runtime, self.owner, self.pipeline_id, text=self._text(), input_data=self._input())
        most = quoted_most(view, mode, step_id)
        if self.before(view, mode, step_id, most).is_needed:
            ask_dialog("before", mode=mode, step_id=step_id, most=most)
        elif most > self.owner.confirm_above_micros:
            ask_dialog("confirm", mode=mode, step_id=step_id, most=most)
        else:
            self.start(mode, step_id)

    def before(self, view: NotebookView, mode: Mode, step_id: str | None, most: int) -> Before:
        """What the person has to know before these cells are run."""
        terms = first_uses(self.runtime, self.owner, self.pipeline_id, view, mode, step_id)
        got = {recipient for kind, recipient in recipients_of(self.runtime, self.owner.id) if kind == "model"}
        asks = most > self.owner.confirm_above_micros
        found = found_before(self.runtime, self.owner, self.pipeline_id, view, self._input(), mode, step_id)
        told = found.signs <= self.memory.told
        return Before(terms, frozenset(got), most if asks else 0, found, told)

    @guarded
    def start_knowing(self, before: Before, mode: Mode, step_id: str | None = None) -> None:
        """Starts a run whose person has read what is to be known before, and keeps that."""
        shown = [(each.provider, each.terms.checked_at) for each in before.terms]
        if attempt(lambda: note_terms_seen(self.runtime, self.owner.id, shown)):
            self.memory.told.update(before.found.signs)
            self.start(mode, step_id)

    @guarded
    def choose_screening(self, mode: str | None) -> bool:
        """Chooses what becomes of personal data in this pipeline; None leaves it to the person's preferences."""
        return attempt(lambda: choose_screening(self.runtime, self.owner.id, self.pipeline_id, mode))

    @guarded
    def start(self, mode: Mode, step_id: str | None = None) -> None:
        """Starts a run of the stored draft with what is in the input form."""
        text, values = self._text(), self._input()

        def start() -> None:
            run_cells(
                self.runtime, self.owner, self.pipeline_id, text=text, input_data=values, mode=mode, step_id=step_id
            )

        if attempt(start):
            forget_undo()

    @guarded
    def run_on(self, run_id: str, step_id: str, output: JsonValue) -> None:
        """Runs what follows a step, with this output in its place; what stands before is reused where it holds."""
        text, values = self._text(), self._input()

        def start() -> None:
            fork_run(
                self.runtime, self.owner, self.pipeline_id, run_id, text=text, input_data=values,
                pinned={step_id: output}, trigger="manual",
            )  # fmt: skip

        if attempt(start):
            forget_undo()

    @guarded
    def cancel(self, run_id: str) -> None:
        """Asks the run to stop."""
        attempt(lambda: cancel_run(self.runtime, self.owner.id, run_id))

    @guarded
    def command(self, step_id: str, name: str) -> None:
        """A key pressed in the editor of a cell."""
        if name == "run_cell":
            self.run("cell", step_id)
        elif name == "run_next":
            self.run("cell", step_id)
            self.open(self._neighbour(step_id, 1) or step_id)
        elif name == "run_stale":
            self.run("stale")
        elif name == "save_version":
            self.save()

    # Editing

    @guarded
    def set_fields(self, step_id: str, fields: dict[str, Any]) -> None:
        """Changes fields of a step; None removes one."""
        for field, value in fields.items():
            self.memory.typed[(step_id, field)] = value
        self._edit(lambda text: editing.set_step_fields(text, step_id, fields))

    @guarded
    def rename(self, step_id: str, new_id: str) -> None:
        """Renames a step and every reference to it."""
        if self._edit(lambda text: editing.rename_step(text, step_id, new_id.strip())):
            self.open(new_id.strip())

    @guarded
    def add(self, kind: str, after: str | None, inside: str | None = None) -> None:
        """Adds a step after another one, at the end of the steps inside one, or at the very end, and opens it."""
        step = new_step(kind, self._beginning(after, inside))
        if self._edit(lambda text: editing.add_step(text, step, after=after, inside=inside)):
            self.open(str(step["id"]))
            say(f"Added {step['id']}.")

    def _beginning(self, after: str | None, inside: str | None) -> Beginning:
        definition = self.definition
        if definition is None:
            return Beginning()
        taken = tuple(step.id for _, step in walk_steps(definition.steps))
        around = definition.step(inside) if inside else None
        before = after or (around.inner[-1].id if isinstance(around, MapStep) else None)
        if inside is None and before is None:
            before = definition.step_ids[-1] if definition.step_ids else None
        others = callable_pipelines(self.runtime, self.owner.id, self.pipeline_id)
        return Beginning(before, tuple(definition.input.fields), taken, tuple(others))

    @guarded
    def choose(self, step_id: str, choice: str) -> None:
        """A choice from the menu of a cell."""
        if choice == "from_here":
            self.run("from_here", step_id)
        elif choice == "pin":
            ask_dialog("pin", step_id=step_id)
        elif choice in ("up", "down"):
            self._edit(lambda text: editing.move_step(text, step_id, -1 if choice == "up" else 1))
        elif choice == "duplicate":
            self._edit(lambda text: editing.duplicate_step(text, step_id))
        elif choice == "delete":
            before = self._text()
            if self._edit(lambda text: editing.delete_step(text, step_id)):
                offer_undo(f"Deleted {step_id}.", lambda: self._write(before))

    @guarded
    def set_pipeline(self, fields: Mapping[str, JsonValue]) -> bool:
        """Sets what holds for the pipeline as a whole; the text before can be brought back."""
        before = self._text()
        if not fields:
            return True
        if not self._edit(lambda text: editing.set_pipeline_fields(text, fields)):
            return False
        offer_undo("Saved the settings in the draft.", lambda: self._write(before))
        return True

    @guarded
    def write_text(self, text: str) -> None:
        """Keeps the whole text as the draft, valid or not; another window's change is not overwritten."""
        self.memory.unsaved = text
        known = self.memory.revision
        if attempt(lambda: self._save(text, known)):
            self.memory.unsaved = None

    # Versions and the pipeline itself

    @guarded
    def save(self) -> None:
        """Makes a version of the draft."""
        if attempt(lambda: save_version(self.runtime, self.owner, self.pipeline_id)):
            self.memory.forget_draft()
            say(f"Saved as v{get_pipeline(self.runtime, self.owner.id, self.pipeline_id).version}.")

    @guarded
    def restore(self, number: int) -> None:
        """Makes an earlier version the newest; the text before can be brought back."""
        before = self._text()
        if attempt(lambda: restore_version(self.runtime, self.owner, self.pipeline_id, number)):
            self.memory.forget_draft()
            offer_undo(f"Restored v{number} as a new version.", lambda: self._write(before))

    @guarded
    def duplicate(self) -> None:
        """Makes a copy and opens it."""
        source = get_pipeline(self.runtime, self.owner.id, self.pipeline_id)
        text = self._text()

        def copy() -> None:
            made = create_pipeline(self.runtime, self.owner, text, name=f"{source.name} (copy)")
            go({"pipeline": made.id})

        if attempt(copy):
            say("This is the copy.")

    @guarded
    def archive(self) -> None:
        """Takes the pipeline out of every list; it can be brought back."""
        name = get_pipeline(self.runtime, self.owner.id, self.pipeline_id).name

        def bring_back() -> None:
            unarchive_pipeline(self.runtime, self.owner, self.pipeline_id)
            go({"pipeline": self.pipeline_id})

        if attempt(lambda: archive_pipeline(self.runtime, self.owner.id, self.pipeline_id)):
            go({})
            offer_undo(f"Archived “{name}”. Its schedules rest, and webhooks no longer start it.", bring_back)

    # Where the person is

    @guarded
    def look_at(self, view: str) -> None:
        """Shows the steps as cells or as a picture."""
        go({**address(), "view": view})

    @guarded
    def open(self, step_id: str) -> None:
        """Selects a cell."""
        go({**address(), "cell": step_id})
        scroll_to(f"cell-{step_id}")

    def step(self, open_cell: str | None, by: int) -> None:
        """Selects the next (1) or previous (-1) cell; from none, the first."""
        ids = self.definition.step_ids if self.definition else ()
        target = self._neighbour(open_cell, by) if open_cell in ids else next(iter(ids), None)
        if target:
            self.open(target)

    @property
    def memory(self) -> NotebookMemory:
        """What the browser session remembers of this notebook."""
        return NotebookMemory(self.pipeline_id)

    def _neighbour(self, step_id: str | None, by: int) -> str | None:
        ids = self.definition.step_ids if self.definition else ()
        place = ids.index(step_id) + by if step_id in ids else -1
        return ids[place] if 0 <= place < len(ids) else None

    def _input(self) -> dict[str, JsonValue]:
        return read_input(self.pipeline_id, self.definition.input.fields if self.definition else {})

    def _text(self) -> str:
        pipeline = get_pipeline(self.runtime, self.owner.id, self.pipeline_id)
        return pipeline.draft.text if pipeline.draft else pipeline.text

    def _edit(self, change: Callable[[str], str]) -> bool:
        def save() -> None:
            pipeline = get_pipeline(self.runtime, self.owner.id, self.pipeline_id)
            text, revision = (pipeline.draft.text, pipeline.draft.revision) if pipeline.draft else (pipeline.text, 0)
            changed = change(text)
            if changed != text:
                self._save(changed, revision)

        forget_undo()
        return attempt(save)

    def _write(self, text: str) -> None:
        self._save(text, None)

    def _save(self, text: str, base_revision: int | None) -> None:
        saved = save_draft(self.runtime, self.owner.id, self.pipeline_id, text, base_revision=base_revision)
        self.memory.saw(saved.revision)
