"""The form of a model call, and of an agent."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from core.pipelines.definition import LlmStep
from core.pipelines.kinds.llm import OUTSIDE_TOOLS
from pages.ui.forms.parts import StepForm

TOOLS = {
    "http_request": "Ask the web",
    "curl": "Run curl",
    "extract_json": "Pick from JSON",
    "template_render": "Fill in templates",
}
NEW_AGENT = {"max_turns": 6, "max_tool_calls": 10, "tools": ["http_request"]}


def draw_llm(step: LlmStep, form: StepForm) -> None:
    """Prompt, model and how it answers; what else to try and tools below."""
    form.editor("prompt", "Prompt", step.prompt)
    model, answer, warmth, length = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    with model:
        options = list(dict.fromkeys([*(filter(None, [step.model])), *form.models]))
        form.widget("model", st.selectbox, "Model", step.model, options=options, accept_new_options=True)
    with answer:
        by_schema = step.output_schema is not None
        default = "JSON, by its schema" if by_schema else "Default"
        form.output_format(disabled=by_schema, default=default)
    with warmth:
        bounds = {"min_value": 0.0, "max_value": 2.0, "step": 0.1}
        warm = None if step.temperature is None else float(step.temperature)
        form.widget("temperature", st.number_input, "Temperature", warm, placeholder="Default", **bounds)
    with length:
        limits = {"min_value": 1, "max_value": 1_000_000, "step": 1}
        form.widget("max_tokens", st.number_input, "Max tokens", step.max_tokens, placeholder="Model's", **limits)
    _draw_agent(step, form)
    with st.expander("More settings", icon=":material/tune:"):
        form.widget("system_prompt", st.text_area, "System prompt", step.system_prompt or "", height="content")
        form.widget(
            "fallback", st.multiselect, "When it fails, try", list(step.fallback),
            options=list(dict.fromkeys([*step.fallback, *form.models])), accept_new_options=True, max_selections=5,
            placeholder="No other model", help="Tried in this order; which one answered is recorded.",
        )  # fmt: skip
        form.common()
        form.retries()
        form.waits()
        if form.can_jump:
            form.rules()


def _draw_agent(step: LlmStep, form: StepForm) -> None:
    agent = step.agent

    def save(**new: Any) -> None:
        written = {} if agent is None else agent.model_dump(mode="json", exclude_unset=True)
        values = {name: value for name, value in (written | new).items() if value not in (None, [], ())}
        if not OUTSIDE_TOOLS & set(values.get("tools", ())):
            values.pop("network_allowlist", None)
        form.set("agent", values)

    def save_one(name: str, value: Any) -> None:
        save(**{name: value})

    form.bound(
        "agent", st.toggle, "Let it use tools", agent is not None,
        lambda on: form.set("agent", dict(NEW_AGENT) if on else None),
        help="The model works in turns: it may call tools and reads what they answer.",
    )  # fmt: skip
    if agent is None:
        return
    with st.container(key=f"agent-{step.id}", gap="small"):
        form.bound(
            "agent-tools", st.pills, "Tools", list(agent.tools), lambda value: save(tools=list(value or [])),
            options=list(TOOLS), selection_mode="multi", format_func=lambda tool: TOOLS[tool],
        )  # fmt: skip
        turns, calls, seconds = st.columns(3, vertical_alignment="bottom")
        limits = (
            (turns, "max_turns", "Turns", 1, 50),
            (calls, "max_tool_calls", "Tool calls", 0, 200),
            (seconds, "max_duration_seconds", "Time for all turns (s)", 1, 300),
        )
        for column, name, label, least, most in limits:
            with column:
                form.bound(
                    f"agent-{name}", st.number_input, label, getattr(agent, name),
                    partial(save_one, name), min_value=least, max_value=most, step=1,
                )  # fmt: skip
        if OUTSIDE_TOOLS & set(agent.tools):
            form.bound(
                "agent-hosts", st.text_input, "May reach only", ", ".join(agent.network_allowlist),
                lambda value: save(network_allowlist=[host.strip() for host in (value or "").split(",") if host]),
                placeholder="Any public host", help="Hosts with commas between, such as api.example.org.",
            )  # fmt: skip
