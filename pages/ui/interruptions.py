"""A callback that has begun comes to its end.

Streamlit looks for a newer request of the browser whenever a script sends a message or touches the session state, and
leaves the script where it stands if there is one. That is right for drawing, which is begun again. But callbacks are
left as well, and what was clicked is lost: the newer request, such as the rest of what was typed, does not bring it
again. So nothing interrupts before the page begins to be drawn. It goes with `runner.fastReruns = false`: otherwise a
request is dropped with its clicks if the next one comes before its script has started.
"""

from __future__ import annotations

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

_look = ScriptRunner._maybe_handle_execution_control_request


def let_callbacks_end() -> None:
    """From now on, in this process."""
    ScriptRunner._maybe_handle_execution_control_request = _look_while_drawing  # type: ignore[method-assign, assignment]


def _look_while_drawing(runner: ScriptRunner) -> None:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or context.has_script_started:
        _look(runner)
