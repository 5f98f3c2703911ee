"""The notebook: one pipeline as cells, as YAML or as a graph, with its runs live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import streamlit as st

from core.accounts.domain import SessionView
from core.accounts.queries import list_own_keys, secret_names
from core.bootstrap import get_runtime
from core.credits.queries import balance
from core.execution.domain import CellView, Mode, NotebookView
from core.execution.found_before import found_before
from core.execution.history import cell_runs
from core.execution.notebook import notebook
from core.execution.queries import get_run, list_runs
from core.pipelines.commands import ensure_example
from core.pipelines.definition import Definition, InputField
from core.pipelines.domain import PipelineView
from core.pipelines.parsing import parse
from core.pipelines.personal_data import own_screenings
from core.pipelines.queries import get_pipeline, list_versions
from core.shared.errors import NotFound
from pages.ui import dialogs
from pages.ui.before_run import before_dialog
from pages.ui.dag import draw_dag
from pages.ui.graph import graph_of
from pages.ui.inputs import draw_input, has_input, read_input, remember_input
from pages.ui.memory import NotebookMemory, ask_dialog, take_dialog
from pages.ui.navigator import take_command
from pages.ui.notebook_header import VIEWS, HeaderActions, draw_facts, draw_header, offer_of
from pages.ui.notices import draw_notices, say
from pages.ui.personal_data import found_line
from pages.ui.pin import pin_dialog
from pages.ui.pipeline_settings import ScreeningChoice, Settings, settings_dialog
from pages.ui.session import current_session
from pages.ui.steps import payer_of
from pages.ui.vendor_notice import draw_vendor_notice
from pages.ui.yaml_view import draw_issues, draw_yaml
from pages.workspace.notebook_actions import Notebook
from pages.workspace.notebook_cells import CellSheet
from pages.workspace.notebook_files import file_actions

POLL_SECONDS = 0.3
WAITING_SECONDS = 2.0
TROUBLE_ADVICE = "Give its steps a fallback model of another vendor, or run them later; a retry waits by itself."
COMMANDS = ("run_cell", "run_next", "run_stale", "save_version", "next", "previous", "help")


@dataclass(frozen=True)
class Shown:
    """Everything one rerun draws from."""

    session: SessionView
    pipeline: PipelineView
    text: str
    notebook: NotebookView
    definition: Definition | None
    cells: Mapping[str, CellView]
    fields: dict[str, InputField]
    view: str
    open_cell: str | None
    hands: Notebook


def notebook_page() -> None:
    """Loads the pipeline in the address (or the newest one), and draws it."""
    session = current_session(get_runtime())
    pipeline = _pipeline(session)
    shown = _load(session, pipeline)
    if _obey(shown, take_command()):
        shown = _load(session, get_pipeline(get_runtime(), session.account.id, pipeline.id))
    _draw_top(shown)
    draw_notices()
    used = [shown.definition] if shown.definition is not None else []
    draw_vendor_notice(get_runtime(), used, TROUBLE_ADVICE)
    if shown.view == "yaml" or shown.definition is None:
        _draw_yaml(shown)
    else:
        draw_issues(shown.notebook.errors, shown.notebook.warnings)
        _draw_found(shown)
        draw_input(pipeline.id, shown.fields, file_actions(get_runtime(), session.account))
        _draw_live(shown, _draw_graph if shown.view == "graph" else _draw_cells)
    _open_dialog(shown)


def _pipeline(session: SessionView) -> PipelineView:
    runtime, owner = get_runtime(), session.account
    wanted = st.query_params.get("pipeline")
    if wanted:
        try:
            return get_pipeline(runtime, owner.id, wanted)
        except NotFound:
            st.query_params.clear()
            say("That pipeline does not exist any more. This is your newest one.")
    pipeline_id = ensure_example(runtime, owner)
    st.query_params["pipeline"] = pipeline_id
    return get_pipeline(runtime, owner.id, pipeline_id)


def _load(session: SessionView, pipeline: PipelineView) -> Shown:
    runtime = get_runtime()
    text = pipeline.draft.text if pipeline.draft else pipeline.text
    memory = NotebookMemory(pipeline.id)
    memory.saw(pipeline.draft.revision if pipeline.draft else 0)
    _fill_input(session, pipeline)
    # While the text has errors, what can be made out of it is still shown and edited.
    parsed = parse(text)
    definition = parsed.definition or parsed.partial
    fields = dict(definition.input.fields) if definition else {}
    found = notebook(runtime, session.account, pipeline.id, text=text, input_data=read_input(pipeline.id, fields))
    hands = Notebook(runtime, session.account, pipeline.id, found.definition or definition)
    if found.definition is not None:
        memory.typed.clear()
    view = st.query_params.get("view", "cells")
    return Shown(
        session=session,
        pipeline=pipeline,
        text=text,
        notebook=found,
        definition=hands.definition,
        cells=_cells(pipeline.id, found),
        fields=fields,
        view=view if view in VIEWS else "cells",
        open_cell=st.query_params.get("cell"),
        hands=hands,
    )


def _cells(pipeline_id: str, found: NotebookView) -> Mapping[str, CellView]:
    """The cells by step; while the text has errors, as they last were, so that no output disappears."""
    memory = NotebookMemory(pipeline_id)
    if found.definition is not None:
        memory.cells = {cell.step_id: cell for cell in (*found.cells, *found.inner)}
    return memory.cells


def _fill_input(session: SessionView, pipeline: PipelineView) -> None:
    """The first time in a browser session the form holds what the last run was given."""
    if has_input(pipeline.id):
        return
    runtime = get_runtime()
    last = next(iter(list_runs(runtime, session.account.id, pipeline_id=pipeline.id, limit=1).items), None)
    remember_input(pipeline.id, get_run(runtime, session.account.id, last.id).input_data if last else {})


def _obey(shown: Shown, command: str | None) -> bool:
    """Does what a key outside the editors asked for; True when something may have changed."""
    hands = shown.hands
    if command in ("next", "previous"):
        hands.step(shown.open_cell, 1 if command == "next" else -1)
    elif command == "help":
        ask_dialog("keys")
    elif command == "save_version":
        hands.save()
    elif command == "run_stale":
        hands.run(_mode(offer_of(shown.notebook).mode))
    elif command in ("run_cell", "run_next") and shown.open_cell:
        hands.command(shown.open_cell, command)
    return command is not None


def _draw_top(shown: Shown) -> None:
    hands, active = shown.hands, shown.notebook.active_run_id

    def choose(choice: str) -> None:
        if choice == "run_all":
            hands.run("all")
        elif choice in ("settings", "versions", "export", "keys"):
            ask_dialog(choice)
        else:
            {"save_version": hands.save, "duplicate": hands.duplicate, "archive": hands.archive}[choice]()

    actions = HeaderActions(
        run=lambda mode: hands.run(_mode(mode)),
        cancel=lambda: hands.cancel(active or ""),
        choose=choose,
        view=hands.look_at,
    )
    runtime, owner = get_runtime(), shown.session.account
    editable = shown.notebook.definition is not None
    draw_header(shown.pipeline, shown.notebook, actions, view=shown.view, editable=editable)
    payer = payer_of(runtime, shown.definition, {key.provider for key in list_own_keys(runtime, owner.id)})
    cells = len(shown.definition.steps) if shown.definition else 0
    draw_facts(
        shown.notebook, balance(runtime, owner), payer=payer, cells=cells, now=runtime.clock.now(), editable=editable
    )


def _draw_found(shown: Shown) -> None:
    """What personal data the next run would send, as far as it is known."""
    values = read_input(shown.pipeline.id, shown.fields)
    args = (get_runtime(), shown.session.account, shown.pipeline.id, shown.notebook, values)
    line = found_line(found_before(*args))
    if line:
        st.html(line)


def _mode(name: str) -> Mode:
    modes: dict[str, Mode] = {"all": "all", "stale": "stale", "cell": "cell", "from_here": "from_here"}
    return modes[name]


def _draw_live(shown: Shown, draw: Callable[[Shown], None]) -> None:
    """Draws once; while a run is active, again and again until it has ended."""
    if shown.notebook.active_run_id is None:
        with st.container():
            draw(shown)
        return

    def again() -> None:
        runtime = get_runtime()
        session = current_session(runtime)
        data = read_input(shown.pipeline.id, shown.fields)
        now = notebook(runtime, session.account, shown.pipeline.id, text=shown.text, input_data=data)
        was, is_now = shown.notebook.last_run, now.last_run
        statuses = {each.status for each in (was, is_now) if each is not None}
        if now.active_run_id is None or ("waiting" in statuses and len(statuses) == 2):
            st.rerun()
        draw(replace(shown, session=session, notebook=now, cells=_cells(shown.pipeline.id, now)))

    waits = shown.notebook.last_run is not None and shown.notebook.last_run.status == "waiting"
    st.fragment(again, run_every=WAITING_SECONDS if waits else POLL_SECONDS)()


def _sheet(shown: Shown) -> CellSheet:
    assert shown.definition is not None
    return CellSheet(
        owner=shown.session.account,
        pipeline_id=shown.pipeline.id,
        notebook=shown.notebook,
        definition=shown.definition,
        cells=shown.cells,
        open_cell=shown.open_cell,
        hands=shown.hands,
    )


def _draw_cells(shown: Shown) -> None:
    _sheet(shown).draw()


def _draw_graph(shown: Shown) -> None:
    sheet = _sheet(shown)
    draw_dag(graph_of(sheet.definition, lambda step: sheet.face(step), shown.open_cell), key="graph")


def _draw_yaml(shown: Shown) -> None:
    def obey(command: str) -> None:
        _obey(shown, command)

    unsaved = shown.hands.memory.unsaved
    draw_yaml(
        unsaved if unsaved is not None else shown.text,
        shown.notebook.errors,
        shown.notebook.warnings,
        key=f"yaml-{shown.pipeline.id}",
        on_text=shown.hands.write_text,
        on_command=obey,
    )


def _open_dialog(shown: Shown) -> None:
    dialog, details = take_dialog()
    runtime, owner = get_runtime(), shown.session.account
    if dialog == "versions":
        versions = list_versions(runtime, owner.id, shown.pipeline.id)
        dialogs.versions_dialog(versions, shown.text, shown.hands.restore, now=runtime.clock.now())
    elif dialog == "export":
        dialogs.export_dialog(shown.pipeline.name, shown.text)
    elif dialog == "keys":
        dialogs.keys_dialog()
    elif dialog == "settings" and shown.definition is not None:
        models = [card.id for card in runtime.catalogue.list()]
        names = sorted(secret_names(runtime, owner.id, shown.pipeline.id))
        own = own_screenings(runtime, owner.id, {shown.pipeline.id}).get(shown.pipeline.id)
        choice = ScreeningChoice(own, owner.personal_data, shown.hands.choose_screening)
        settings_dialog(Settings.of(shown.definition, owner.email), names, models, choice, shown.hands.set_pipeline)
    elif dialog == "pin":
        _open_pin(shown, details["step_id"])
    elif dialog == "before":
        mode, step_id = _mode(details["mode"]), details["step_id"]
        before = shown.hands.before(shown.notebook, mode, step_id, details["most"])
        before_dialog(before, lambda: shown.hands.start_knowing(before, mode, step_id))
    elif dialog == "confirm":
        mode, step_id = _mode(details["mode"]), details["step_id"]
        dialogs.confirm_dialog(details["most"], owner.confirm_above_micros, lambda: shown.hands.start(mode, step_id))


def _open_pin(shown: Shown, step_id: str) -> None:
    newest = next(iter(cell_runs(get_runtime(), shown.session.account.id, shown.pipeline.id, step_id, limit=1)), None)
    if newest is None:
        return
    pin_dialog(
        step_id, newest.output, label="Run on with this output",
        note="It stands in for the step, which is not run; everything that reads it runs again.",
        use=lambda output: shown.hands.run_on(newest.run_id, step_id, output),
    )  # fmt: skip
