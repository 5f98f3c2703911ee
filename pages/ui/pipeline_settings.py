"""What holds for a pipeline as a whole: its name, its budget, and who is told how a run ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import Definition, to_dict
from core.shared.types import JsonValue
from pages.ui.memory import widget_text
from pages.ui.personal_data import SAYS as SCREENING_SAYS

Fields = Mapping[str, JsonValue]
EXCEED = {"stop": "Stop the run", "pause": "Pause and ask me", "downgrade": "Use a cheaper model"}
WHEN = {"on_success": "When a run has completed", "on_failure": "When a run has failed"}
NO_SECRET = ""
AS_PREFERRED = ""
SCREENING_KEY = "settings-screening"


@dataclass(frozen=True)
class Settings:
    """The parts of a definition that the dialog edits, as they are written."""

    definition: Definition
    written: Mapping[str, Any]
    address: str

    @classmethod
    def of(cls, definition: Definition, address: str) -> Settings:
        """`address` is where mails to oneself go."""
        return cls(definition, to_dict(definition), address)

    def targets(self, *path: str) -> list[dict[str, Any]]:
        """The receivers at `output.deliver`, `notifications.on_success` or `.on_failure`."""
        found = self.written.get(path[0]) or {}
        return list(found.get(path[1]) or [])

    def mails_me(self, when: str) -> bool:
        """Whether a mail to oneself is among the notices."""
        return any(self._is_mine(target) for target in self.targets("notifications", when))

    @property
    def hook(self) -> dict[str, Any]:
        """The first webhook that results go to."""
        hooks = (target for target in self.targets("output", "deliver") if target["type"] == "webhook")
        return next(hooks, {})

    def changed(
        self,
        *,
        name: str,
        description: str,
        budget: dict[str, Any] | None,
        time: int | None,
        mail: Mapping[str, bool],
        hook: dict[str, Any] | None,
    ) -> dict[str, JsonValue]:
        """The fields that differ from what is written; None takes one out. What the dialog does not show stays."""
        notices: dict[str, Any] = {}
        for when in WHEN:
            others = [target for target in self.targets("notifications", when) if not self._is_mine(target)]
            mine = [target for target in self.targets("notifications", when) if self._is_mine(target)]
            kept = (mine or [{"type": "email", "to": self.address}]) if mail[when] else []
            if others or kept:
                notices[when] = [*others, *kept]
        targets = self.targets("output", "deliver")
        rest = [target for target in targets if target != self.hook]
        deliver = [*([{**self.hook, **hook}] if hook else []), *rest]
        output = {key: value for key, value in (self.written.get("output") or {}).items() if key != "deliver"}
        wanted: dict[str, Any] = {
            "name": name,
            "description": description or None,
            "timeout_seconds": time,
            "budget": budget,
            "notifications": notices or None,
            "output": {**output, **({"deliver": deliver} if deliver else {})} or None,
        }
        return {field: value for field, value in wanted.items() if value != (self.written.get(field) or None)}

    def _is_mine(self, target: Mapping[str, Any]) -> bool:
        return target["type"] == "email" and target.get("to") == self.address


@dataclass(frozen=True)
class ScreeningChoice:
    """What becomes of personal data: the pipeline's `own` choice, None where what the person prefers holds."""

    own: str | None
    preferred: str
    choose: Callable[[str | None], bool | None]

    def save(self) -> bool:
        """Keep what is chosen in the dialog, where it is another one; True when it is kept."""
        chosen = st.session_state.get(SCREENING_KEY) or None
        return chosen == self.own or bool(self.choose(chosen))


@st.dialog("Pipeline settings", width="medium", icon=":material/tune:")
def settings_dialog(
    settings: Settings,
    secrets: Sequence[str],
    models: Sequence[str],
    screening: ScreeningChoice,
    save: Callable[[Fields], bool | None],
) -> None:
    """A form over the parts that hold for the whole; the rest of the definition stays as it is written."""
    budget = settings.definition.budget
    # Through the state, because a number that is given as a value cannot be cleared again.
    st.session_state.setdefault("settings-budget", budget.max_credits if budget else None)
    st.text_input("Name", settings.definition.name, key="settings-name", max_chars=200)
    st.text_area("Description", settings.definition.description or "", key="settings-description", height=80)
    st.session_state.setdefault("settings-time", settings.definition.timeout_seconds)
    st.html('<div class="sq-id">Limits of a run</div>')
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Most credits a run", min_value=0.0, value=None, step=1.0,
            key="settings-budget", placeholder="No limit", width=200,
        )  # fmt: skip
        exceed = st.selectbox(
            "Before a step would pass it", list(EXCEED), key="settings-exceed", format_func=EXCEED.__getitem__,
            index=list(EXCEED).index(budget.on_exceed) if budget else 0, width=260,
        )  # fmt: skip
        st.number_input(
            "Longest time, in seconds", min_value=1, max_value=86_400, value=None, step=60, key="settings-time",
            placeholder="No limit", width=200, help="Waiting for a person does not count.",
        )  # fmt: skip
        if exceed == "downgrade":
            cheaper = budget.downgrade_to if budget else None
            choices = [*models, *([cheaper] if cheaper and cheaper not in models else [])]
            st.selectbox(
                "Cheaper model", choices, key="settings-cheaper", width=260,
                index=choices.index(cheaper) if cheaper else None, placeholder="Choose a model",
            )  # fmt: skip
    st.html(f'<div class="sq-id">Mail to {escape(settings.address)}</div>' if settings.address else "")
    for when, words in WHEN.items():
        if settings.address:
            st.checkbox(words, settings.mails_me(when), key=f"settings-{when}")
    st.html('<div class="sq-id">Send the result on</div>')
    hook = settings.hook
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Address of a webhook", hook.get("url", ""), key="settings-hook", placeholder="https://example.org/hook",
            width=420,
        )  # fmt: skip
        named = hook.get("signing_secret_name")
        options = [NO_SECRET, *secrets, *([named] if named and named not in secrets else [])]
        st.selectbox(
            "Signed with the secret", options, key="settings-secret", width=240,
            index=options.index(named) if named else 0, format_func=lambda option: option or "Choose a secret",
            help="It shows the receiver that a delivery is yours. Save the secret under Secrets first.",
        )  # fmt: skip
    _draw_screening(screening)
    st.html('<p class="sq-facts">Further receivers, files and inputs are written in the YAML view.</p>')
    with st.container(horizontal=True):
        saving = st.button("Save settings", type="primary", key="settings-save")
        if st.button("Leave as it was", key="settings-keep"):
            st.rerun()
    problem = _problem() if saving else None
    if problem:
        st.error(problem)
    elif saving and screening.save() and save(_read(settings)):
        st.rerun()


def _draw_screening(screening: ScreeningChoice) -> None:
    st.html('<div class="sq-id">Personal data in what models are sent</div>')
    as_preferred = f"As in my preferences: {SCREENING_SAYS[screening.preferred][0].lower()}"
    options = [AS_PREFERRED, *SCREENING_SAYS]
    chosen = st.selectbox(
        "Personal data", options, key=SCREENING_KEY, index=options.index(screening.own or AS_PREFERRED), width=420,
        format_func=lambda option: SCREENING_SAYS[option][0] if option else as_preferred, label_visibility="collapsed",
    )  # fmt: skip
    said = SCREENING_SAYS[chosen or screening.preferred][1]
    st.html(f'<p class="sq-facts">{escape(said)} It holds from the next run on; it is no part of the definition.</p>')


def _problem() -> str | None:
    """What is missing, before anything is saved."""
    state = st.session_state
    if not widget_text("settings-name").strip():
        return "Give the pipeline a name."
    if state.get("settings-budget") is not None and state["settings-exceed"] == "downgrade":
        return (
            None if state.get("settings-cheaper") else "Choose the cheaper model that goes on when the budget is met."
        )
    if widget_text("settings-hook").strip() and not state.get("settings-secret"):
        return "Choose the secret that deliveries are signed with. Save one under Secrets first."
    return None


def _read(settings: Settings) -> Fields:
    state = st.session_state
    most = state.get("settings-budget")
    budget: dict[str, Any] | None = None
    if most is not None:
        budget = {"max_credits": int(most) if float(most).is_integer() else most}
        if state["settings-exceed"] != "stop":
            budget["on_exceed"] = state["settings-exceed"]
        if state["settings-exceed"] == "downgrade":
            budget["downgrade_to"] = state.get("settings-cheaper")
    url, secret = widget_text("settings-hook").strip(), state.get("settings-secret") or None
    hook = {"type": "webhook", "url": url, "signing_secret_name": secret} if url else None
    return settings.changed(
        name=widget_text("settings-name").strip(),
        description=widget_text("settings-description").strip(),
        time=state.get("settings-time"),
        budget=budget,
        mail={when: bool(state.get(f"settings-{when}", settings.mails_me(when))) for when in WHEN},
        hook=hook,
    )
