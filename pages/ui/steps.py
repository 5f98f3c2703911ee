"""Steps around the cells: adding one, and what a step may refer to, run on and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.queries import list_own_keys
from core.pipelines.definition import BaseStep, Definition
from core.pipelines.parsing import Issue
from core.pipelines.queries import find_pipeline, list_pipelines
from core.pipelines.source import path_text
from pages.ui.forms.parts import CalledPipeline
from pages.ui.scope import place_of
from pages.ui.starters import STARTERS, Starter, is_offered

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

CALLABLE = 50

Add = Callable[[str, str | None, str | None], None]
"""Adds a step: its kind, the step it follows, and the step it goes inside of."""


def draw_add_step(last: str | None, add: Add, *, pipelines: Sequence[str]) -> None:
    """The end of the notebook: add a step, each kind explained in a line."""
    with (
        st.container(key="add-step", horizontal=True, horizontal_alignment="center"),
        # A new one after each addition: an open popover would go on covering the step that was added.
        st.popover("Add a step", icon=":material/add:", type="tertiary", key=f"add-step-kinds-{last}"),
        st.container(key="starters", gap=None),
    ):
        for group in dict.fromkeys(starter.group for starter in STARTERS.values()):
            with st.container(gap=None, key=f"starters-{group.split()[0].lower()}"):
                st.html(f'<div class="sq-label">{group}</div>')
                for kind, starter in STARTERS.items():
                    if starter.group == group:
                        _draw_starter(kind, starter, last, add, offered=is_offered(kind, pipelines))


def _draw_starter(kind: str, starter: Starter, last: str | None, add: Add, *, offered: bool) -> None:
    with st.container(gap=None, key=f"starter-{kind}"):
        st.button(
            starter.name, key=f"add-{kind}", icon=f":material/{starter.icon}:", type="tertiary",
            width="stretch", on_click=add, args=(kind, last, None), disabled=not offered,
        )  # fmt: skip
        what = starter.what if offered else "Runs one of your pipelines as a step, once you have another one."
        st.html(f'<div class="sq-facts">{what}</div>')


def between_cells(after: str, add: Add, *, pipelines: Sequence[str], disabled: bool) -> None:
    """A quiet plus between two cells, seen on hover and on focus."""
    with st.container(key=f"between-{after}", horizontal=True, horizontal_alignment="center"):
        _draw_kinds(
            f"Add a step after {after}", f"insert-{after}", lambda kind: add(kind, after, None), pipelines, disabled
        )


def draw_add_inside(container: str, add: Add, *, pipelines: Sequence[str], disabled: bool) -> None:
    """The end of the steps inside another one."""
    with st.container(key=f"inside-{container}"):
        key, label = f"within-{container}", f"Add a step inside {container}"
        _draw_kinds(label, key, lambda kind: add(kind, None, container), pipelines, disabled)


def _draw_kinds(label: str, key: str, add: Callable[[str], None], pipelines: Sequence[str], disabled: bool) -> None:
    kinds = [kind for kind in STARTERS if is_offered(kind, pipelines)]

    def chosen() -> None:
        kind = st.session_state.get(key)
        if kind in STARTERS:
            add(kind)

    st.menu_button(
        label, kinds, key=key, icon=":material/add:", type="tertiary",
        format_func=lambda kind: f":material/{STARTERS[kind].icon}: {STARTERS[kind].name}",
        on_click=chosen, disabled=disabled,
    )  # fmt: skip


def models_of(runtime: Runtime, owner_id: str) -> tuple[str, ...]:
    """The models that can be called now: those of the platform's keys and of the person's own, then the demo."""
    own = {key.provider for key in list_own_keys(runtime, owner_id)}
    usable: dict[str, bool] = {}
    found = []
    for card in runtime.catalogue.list():
        if card.provider not in usable:
            usable[card.provider] = card.provider in own or runtime.catalogue.platform_key_available(card.provider)
        if usable[card.provider]:
            found.append(card.id)
    return tuple(found)


def region_of(runtime: Runtime, model: str | None) -> str | None:
    """Where a model's vendor works on the data, for the head of a cell."""
    card = runtime.catalogue.find(model) if model else None
    return None if card is None or card.free else card.region


def payer_of(runtime: Runtime, definition: Definition | None, own_providers: set[str]) -> str:
    """Who pays for a run, in a few words beside its price; nothing where the credits do."""
    steps = definition.llm_steps if definition else ()
    default = runtime.catalogue.default_model()
    cards = [runtime.catalogue.find(step.model or default) for step in steps]
    known = [card for card in cards if card is not None]
    if not known:
        return "calls no model"
    if all(card.free for card in known):
        return "demo model"
    paid = {card.provider for card in known if not card.free}
    if paid <= own_providers:
        return "your own key"
    return "partly on your own key" if paid & own_providers else ""


def distinct_steps(definition: Definition) -> tuple[BaseStep, ...]:
    """The steps to draw: of two with one id (an error that is shown) only the first."""
    return tuple(
        {step.id: step for step in reversed(definition.steps)}[step_id]
        for step_id in dict.fromkeys(definition.step_ids)
    )


def issues_of(definition: Definition, step_id: str, issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """The issues that stand in one step, without those of the steps inside it."""
    place = path_text(place_of(definition, step_id).path)
    inside = f"{place}.steps["
    mine = (issue for issue in issues if issue.path == place or issue.path.startswith(place + "."))
    return tuple(issue for issue in mine if not issue.path.startswith(inside))


def callable_pipelines(runtime: Runtime, owner_id: str, own_id: str) -> dict[str, CalledPipeline]:
    """The person's other pipelines by name, with the inputs they take."""
    found: dict[str, CalledPipeline] = {}
    for summary in list_pipelines(runtime, owner_id, CALLABLE).items:
        if summary.id != own_id and summary.name not in found:
            found[summary.name] = CalledPipeline(summary.name, {})
    return found


def with_inputs(
    runtime: Runtime, owner_id: str, pipelines: dict[str, CalledPipeline], name: str
) -> dict[str, CalledPipeline]:
    """The same, with the inputs of one of them looked up."""
    called = find_pipeline(runtime, owner_id, name)
    if called is None:
        return pipelines
    inputs = {field: declared.type for field, declared in called[1].input.fields.items()}
    return {**pipelines, name: CalledPipeline(called[1].name, inputs)}
