"""What the forms of steps are made of: widgets that save what changes, editors, and the settings every step has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import BaseStep
from core.pipelines.kinds.condition import ConditionStep
from pages.ui.editor import Language, Suggestion, code_editor
from pages.ui.scope import Named, suggestions

FORMATS = {"": "Default", "text": "Text", "markdown": "Markdown", "json": "JSON"}
END = "end"
HINT = "Write here. Type {{ to refer to the input or to an earlier step."


@dataclass(frozen=True)
class EditActions:
    """What the open cell changes. `fields` takes step id and new values, None removing a field.

    `typed` holds what was typed since the definition was last valid, by step and field.
    """

    fields: Callable[[str, dict[str, Any]], None]
    rename: Callable[[str, str], None]
    command: Callable[[str, str], None]
    typed: Mapping[tuple[str, str], Any]


@dataclass(frozen=True)
class CalledPipeline:
    """A pipeline that can be called: its name, and the types of its inputs."""

    name: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class StepForm:
    """A step with everything its form offers. `draw_inside` draws the steps inside it, each a cell."""

    step: BaseStep
    edits: EditActions
    named: tuple[Named, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    can_jump: bool = True
    models: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    pipelines: Mapping[str, CalledPipeline] = field(default_factory=dict)
    draw_inside: Callable[[], None] = lambda: None

    def set(self, name: str, value: Any) -> None:
        """Changes one field of the step; None removes it."""
        self.edits.fields(self.step.id, {name: value})

    def shown(self, name: str, stored: Any) -> Any:
        """What a field shows: what was typed last while the definition has errors, else what is stored."""
        return self.edits.typed.get((self.step.id, name), stored)

    def widget(self, name: str, draw: Any, label: str, stored: Any, **options: Any) -> None:
        """A widget of one field. An emptied one is removed from the definition."""
        self.bound(name, draw, label, self.shown(name, stored), lambda value: self.set(name, value), **options)

    def bound(self, name: str, draw: Any, label: str, shown: Any, save: Callable[[Any], None], **options: Any) -> None:
        """A widget that shows a value and saves what becomes of it; an emptied one saves None."""
        key = f"set-{self.step.id}-{name}"
        # An undo, a restored version or another window may have changed it since the widget was drawn.
        if key in st.session_state and st.session_state[key] != shown:
            st.session_state[key] = shown

        def changed() -> None:
            value = st.session_state[key]
            save(None if value is None or value in ("", []) else value)

        draw(label, key=key, on_change=changed, **_beginning(draw, shown, options), **options)

    def editor(
        self,
        name: str,
        label: str,
        value: str,
        *,
        language: Language = "template",
        save: Callable[[str], None] | None = None,
        placeholder: str = HINT,
        scope: tuple[Suggestion, ...] | None = None,
    ) -> None:
        """A code editor of one field; what is in scope is offered as it is typed."""
        st.html(f'<div class="sq-label">{escape(label)}</div>')
        typed = self.shown(name, value)
        code_editor(
            typed if isinstance(typed, str) else value,
            key=f"editor-{self.step.id}-{name}" + ("" if language in ("template", "cel") else f"-{language}"),
            label=f"{label} of {self.step.id}",
            language=language,
            placeholder=placeholder,
            scope=suggestions(self.named, language) if scope is None else scope,
            on_text=save or (lambda text: self.set(name, text)),
            on_command=lambda command, _text: self.edits.command(self.step.id, command),
        )

    # What every step has

    def more(self, *, formats: bool = False, limit: bool = True, jumps: bool = True) -> None:
        """The settings that most people leave alone, folded away."""
        with st.expander("More settings", icon=":material/tune:"):
            self.common(limit=limit)
            if formats:
                self.output_format()
            self.retries()
            self.waits()
            if jumps and self.can_jump:
                self.rules()

    def common(self, *, limit: bool = True) -> None:
        """Id, name and time limit."""
        step = self.step
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        with left:
            key = f"set-{step.id}-id"
            st.text_input(
                "Id",
                value=step.id,
                key=key,
                help="Small letters, digits and _. References follow.",
                on_change=lambda: self.edits.rename(step.id, str(st.session_state[key])),
            )
        with middle:
            self.widget("name", st.text_input, "Name", step.name or "")
        with right:
            if limit:
                bounds = {"min_value": 1, "max_value": 300, "step": 1}
                self.widget("timeout_seconds", st.number_input, "Time limit (s)", step.timeout_seconds, **bounds)

    def output_format(self, *, disabled: bool = False, default: str = "Default") -> None:
        """What the output is read as."""
        words = FORMATS | {"": default}
        stored = self.step.output_format or ""
        self.widget(
            "output_format", st.selectbox, "Output", stored, options=list(words),
            format_func=lambda name: words[name], disabled=disabled,
        )  # fmt: skip

    def retries(self) -> None:
        """How often a failed attempt is repeated."""
        retry = self.step.retry
        left, right, _ = st.columns(3, vertical_alignment="bottom")

        def save(**new: int) -> None:
            values = {"max_attempts": retry.max_attempts, "backoff_ms": retry.backoff_ms} | new
            self.set("retry", values if values["max_attempts"] > 1 else None)

        with left:
            self.bound(
                "retry-attempts", st.number_input, "Attempts", retry.max_attempts,
                lambda value: save(max_attempts=int(value or 1)), min_value=1, max_value=5, step=1,
                help="A failed attempt is repeated this often at most.",
            )  # fmt: skip
        with right:
            self.bound(
                "retry-wait", st.number_input, "First wait (s)", retry.backoff_ms / 1000,
                lambda value: save(backoff_ms=round(1000 * (value or 0))), min_value=0.0,
                max_value=300.0, step=0.5, help="Doubled after each attempt.", disabled=retry.max_attempts == 1,
            )  # fmt: skip

    def waits(self) -> None:
        """Steps to wait for although nothing of them is read."""
        options = list(dict.fromkeys([*self.step.needs, *self.before]))
        if options:
            self.widget(
                "needs", st.multiselect, "Also waits for", list(self.step.needs), options=options,
                placeholder="Only what it reads", help="Steps whose output is used are waited for anyway.",
            )  # fmt: skip

    def rules(self) -> None:
        """Where control goes after the step when a condition holds."""
        step = self.step
        if isinstance(step, ConditionStep) and (step.then or step.else_):
            return
        rules = [rule.model_dump(mode="json", by_alias=True, exclude_unset=True) for rule in step.on_condition]
        targets = [*self.before, step.id, *self.after, END]

        def save(at: int, **new: Any) -> None:
            changed = [dict(rule) for rule in rules]
            changed[at] = {name: value for name, value in (changed[at] | new).items() if value is not None}
            self.set("on_condition", changed)

        def remove(at: int) -> None:
            self.set("on_condition", [rule for place, rule in enumerate(rules) if place != at] or None)

        def add() -> None:
            self.set("on_condition", [*rules, {"if": f"steps.{step.id}.output == ''", "goto": END}])

        if rules:
            st.html('<div class="sq-label">Afterwards</div>')
        for at, rule in enumerate(rules):
            self._rule(at, rule, targets, save, remove)
        st.button(
            "Go elsewhere on a condition", key=f"rule-add-{step.id}", type="tertiary", icon=":material/alt_route:",
            on_click=add, disabled=len(rules) >= 10,
        )  # fmt: skip

    def _rule(
        self,
        at: int,
        rule: dict[str, Any],
        targets: list[str],
        save: Callable[..., None],
        remove: Callable[[int], None],
    ) -> None:
        goto = str(rule.get("goto", END))
        back = goto in self.before or goto == self.step.id
        test, target, loops, away = st.columns([4, 2, 1.6, 0.6], vertical_alignment="bottom")
        with test:
            self.bound(
                f"rule-{at}-if", st.text_input, "If", rule.get("if", ""), lambda value: save(at, **{"if": value or ""}),
            )  # fmt: skip
        with target:
            options = targets if goto in targets else [goto, *targets]
            # A jump back must say how often; one forwards must not.
            self.bound(
                f"rule-{at}-goto", st.selectbox, "go to", goto,
                lambda value: save(at, goto=value, max_loops=_loops(value, rule, (*self.before, self.step.id))),
                options=options, format_func=_target_word,
            )  # fmt: skip
        with loops:
            self.bound(
                f"rule-{at}-loops", st.number_input, "at most", rule.get("max_loops") if back else None,
                lambda value: save(at, max_loops=int(value) if value else 1), min_value=1, max_value=10,
                step=1, disabled=not back, placeholder="once", help="How often it may go back.",
            )  # fmt: skip
        with away:
            st.button(
                "Remove this rule", key=f"rule-remove-{self.step.id}-{at}", type="tertiary", icon=":material/close:",
                on_click=remove, args=(at,),
            )  # fmt: skip


def _beginning(draw: Any, shown: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a widget holds when the browser first sees it.

    Not the session's state alone: a browser that missed the rerun which set it would answer with an empty widget.
    """
    kind = draw.__name__
    if kind == "selectbox":
        known = list(options["options"])
        return {"index": known.index(shown) if shown in known else None}
    return {"default": shown} if kind in ("multiselect", "pills", "segmented_control") else {"value": shown}


def _loops(target: Any, rule: Mapping[str, Any], earlier: tuple[str, ...]) -> int | None:
    return int(rule.get("max_loops") or 1) if target in earlier else None


def _target_word(target: str) -> str:
    return "the end" if target == END else target


def target_select(form: StepForm, name: str, label: str, stored: str | None) -> None:
    """Where a condition leads: the next step, a later one, or the end."""
    options = ["", *form.after, END]
    if stored and stored not in options:
        options.append(stored)
    form.widget(
        name, st.selectbox, label, stored or "", options=options,
        format_func=lambda target: "The next step" if not target else "The end" if target == END else target,
    )  # fmt: skip


def pairs(
    form: StepForm,
    name: str,
    values: Mapping[str, Any],
    save: Callable[[dict[str, Any]], None],
    *,
    labels: tuple[str, str],
    fixed: tuple[str, ...] = (),
    add: bool = True,
) -> None:
    """Names with values, a line each, with an empty one to add to. `fixed` names cannot be changed or removed."""
    rows = [*dict.fromkeys([*fixed, *values])]

    def put(old: str, new: str | None, value: Any) -> None:
        changed = {(new if key == old else key): (value if key == old else kept) for key, kept in values.items()}
        if old not in values and new:
            changed[new] = value
        save({key: kept for key, kept in changed.items() if key and not (key in fixed and kept in (None, ""))})

    def rename(old: str, value: Any, new: str | None) -> None:
        put(old, new or "", value)

    def revalue(row: str, new: str | None) -> None:
        put(row, row, new or "")

    st.html(f'<div class="sq-pair sq-label"><span>{escape(labels[0])}</span><span>{escape(labels[1])}</span></div>')
    with st.container(key=f"pairs-{form.step.id}-{name}", gap=None):
        for at, row in enumerate(rows):
            value = values.get(row)
            left, right, away = st.columns([2, 4, 0.5], gap="small", vertical_alignment="center")
            with left:
                if row in fixed:
                    st.html(f'<div class="sq-fixed">{escape(row)}</div>')
                else:
                    form.bound(
                        f"{name}-{at}-name", st.text_input, f"{labels[0]} {at + 1}", row,
                        partial(rename, row, value), label_visibility="collapsed",
                    )  # fmt: skip
            with right:
                form.bound(
                    f"{name}-{at}-value", st.text_input, f"{labels[1]} of {row}", _as_text(value),
                    partial(revalue, row), label_visibility="collapsed",
                    placeholder="{{input.…}}",
                )  # fmt: skip
            with away:
                if row not in fixed:
                    st.button(
                        f"Remove {row}", key=f"pair-remove-{form.step.id}-{name}-{at}", type="tertiary",
                        icon=":material/close:", on_click=put, args=(row, "", None),
                    )  # fmt: skip
        if add:
            left, _, _ = st.columns([2, 4, 0.5], gap="small")
            with left:
                form.bound(
                    f"{name}-new-{len(rows)}", st.text_input, f"New {labels[0].lower()}", "",
                    lambda new: save({**values, str(new): ""}) if new else None, label_visibility="collapsed",
                    placeholder=f"Add a {labels[0].lower()}",
                )  # fmt: skip


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def json_or_text(text: str) -> Any:
    """A text as the JSON object or list it is, else as it is; None when it is empty."""
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text
