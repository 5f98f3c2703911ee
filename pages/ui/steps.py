"""Steps around the cells: adding one, and what a step may refer to, run on and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.queries import list_own_keys
from core.pipelines.definition import BaseStep, Definition, LlmStep
from core.pipelines.parsing import Issue
from pages.ui.editor import Suggestion
from pages.ui.kinds import STARTERS

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def draw_add_step(last: str | None, add: Callable[[str, str | None], None]) -> None:
    """The end of the notebook: add a step, each kind explained in a line."""
    with (
        st.container(key="add-step", horizontal=True, horizontal_alignment="center"),
        st.popover("Add a step", icon=":material/add:", type="tertiary", key="add-step-kinds"),
    ):
        for kind, starter in STARTERS.items():
            with st.container(gap=None, key=f"starter-{kind}"):
                st.button(
                    starter.name, key=f"add-{kind}", icon=f":material/{starter.icon}:", type="tertiary",
                    width="stretch", on_click=add, args=(kind, last),
                )  # fmt: skip
                st.html(f'<div class="sq-facts">{starter.what}</div>')


def between_cells(after: str, add: Callable[[str, str | None], None], *, disabled: bool) -> None:
    """A quiet plus between two cells, seen on hover and on focus."""
    key = f"insert-{after}"

    def chosen() -> None:
        kind = st.session_state.get(key)
        if kind in STARTERS:
            add(kind, after)

    with st.container(key=f"between-{after}", horizontal=True, horizontal_alignment="center"):
        st.menu_button(
            f"Add a step after {after}", list(STARTERS), key=key, icon=":material/add:", type="tertiary",
            format_func=lambda kind: f":material/{STARTERS[kind].icon}: {STARTERS[kind].name}",
            on_click=chosen, disabled=disabled,
        )  # fmt: skip


def scope_of(definition: Definition, step_id: str) -> tuple[Suggestion, ...]:
    """What may stand between `{{` and `}}` in a step: input, variables, and the other steps' outputs."""
    inputs = [Suggestion(f"input.{name}", field.type) for name, field in definition.input.fields.items()]
    variables = [Suggestion(f"vars.{name}", "variable") for name in definition.variables]
    steps: list[Suggestion] = []
    for step in definition.steps:
        if step.id == step_id:
            break
        kind = "JSON" if isinstance(step, LlmStep) and step.wants_json else "output"
        steps.append(Suggestion(f"steps.{step.id}.output", kind))
        schema = step.output_schema if isinstance(step, LlmStep) else None
        for name, field in ((schema or {}).get("properties") or {}).items():
            detail = str(field.get("type", "")) if isinstance(field, dict) else ""
            steps.append(Suggestion(f"steps.{step.id}.output.{name}", detail))
    return (*inputs, *variables, *steps)


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
    steps = definition.steps if definition else ()
    default = runtime.catalogue.default_model()
    cards = [runtime.catalogue.find(step.model or default) for step in steps if isinstance(step, LlmStep)]
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
    """The issues that stand in one step."""
    place = f"steps[{definition.step_ids.index(step_id)}]"
    return tuple(issue for issue in issues if issue.path == place or issue.path.startswith(place + "."))
