"""The forms of steps that decide, repeat, or hold other steps."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.pipeline import PipelineStep
from pages.ui.editor import Language
from pages.ui.forms.parts import StepForm, pairs, target_select


def draw_condition(step: ConditionStep, form: StepForm) -> None:
    """The question, and both ways out."""
    language: Language = "template" if "{{" in step.if_ else "cel"
    form.editor("if", "If", step.if_, language=language, placeholder="steps.score.output.value > 3")
    if form.can_jump:
        yes, no = st.columns(2, vertical_alignment="bottom")
        with yes:
            target_select(form, "then", "When it holds, go on with", step.then)
        with no:
            target_select(form, "else", "Otherwise, go on with", step.else_)
    st.html(
        '<div class="sq-facts">Compare with ==, !=, &lt; and &gt;, join with &amp;&amp; and ||, '
        "such as <code>size(input.text) &gt; 500 &amp;&amp; vars.strict</code>.</div>"
    )
    form.more(limit=False)


def draw_map(step: MapStep, form: StepForm) -> None:
    """The list, the name of an item, how many at a time; then the steps of one item."""
    form.editor("foreach", "For each item of", step.foreach, placeholder="{{steps.….output}}")
    name, together, _ = st.columns([2, 2, 3], vertical_alignment="bottom")
    with name:
        form.widget("as", st.text_input, "Called", step.as_, help=f"Steps inside name it {{{{{step.as_}}}}}.")
    with together:
        form.widget("concurrency", st.number_input, "At a time", step.concurrency, min_value=1, max_value=50, step=1)
    form.draw_inside()
    form.more(limit=False)


def draw_parallel(step: ParallelStep, form: StepForm) -> None:
    """The steps that run together."""
    form.draw_inside()
    form.more(limit=False)


def draw_pipeline(step: PipelineStep, form: StepForm) -> None:
    """Which pipeline, which version, and what it is given."""
    called = form.pipelines.get(step.pipeline)
    chosen, version, _ = st.columns([4, 2, 1], vertical_alignment="bottom")
    with chosen:
        options = list(form.pipelines) if called else [step.pipeline, *form.pipelines]
        form.widget("pipeline", st.selectbox, "Pipeline", step.pipeline, options=options)
    with version:
        form.widget("version", st.number_input, "Version", step.version, min_value=1, step=1, placeholder="Newest")
    if isinstance(step.input, str):
        form.editor("input", "Input", step.input)
    else:
        inputs = dict(called.inputs) if called else {}

        def save(new: dict[str, Any]) -> None:
            form.set("input", {name: _typed(value, inputs.get(name)) for name, value in new.items()} or None)

        given = step.input or {}
        if given or inputs or not called:
            pairs(
                form, "input", given, save, labels=("Input", "Value"), fixed=tuple(inputs), add=not called,
            )  # fmt: skip
        else:
            st.html('<div class="sq-facts">This pipeline takes no input.</div>')
    form.more(limit=False)


def _typed(value: Any, kind: str | None) -> Any:
    """What was written for an input, as the type the pipeline declares; a reference keeps its own."""
    if not isinstance(value, str) or kind not in ("integer", "number", "boolean") or "{{" in value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
