"""What the buttons of a person's room do: each one command, for who is an admin now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.accounts.looks import end_look, open_look
from core.accounts.plans import PLANS
from core.accounts.queries import get_account
from core.accounts.roles import set_roles
from core.accounts.suspension import end_suspension as end_suspension_of
from core.accounts.suspension import sign_out_person, suspend
from core.bootstrap import get_runtime
from core.credits.commands import change_plan, give_credits
from core.execution.oversight import stop_runs_of
from core.shared.money import format_credits
from pages.ui.memory import forget_widgets, recall, widget_number, widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count


@guarded
def save_plan(account_id: str) -> None:
    """Give them another plan."""
    plan = widget_text(f"plan-of-{account_id}")
    _do(
        lambda runtime, session: change_plan(runtime, get_account(runtime, account_id), plan, by=session),
        lambda _: f"The plan is {PLANS[plan].title} now.",
    )


@guarded
def give(account_id: str) -> None:
    """Book credits."""
    credits, why = widget_number("gift-credits"), widget_text("gift-why")

    def said(micros: int) -> str:
        if micros == 0:
            return "There was nothing to take back."
        return f"{format_credits(abs(micros))} {'given' if micros > 0 else 'taken back'}."

    if _do(lambda runtime, session: give_credits(runtime, session, account_id, credits, why), said):
        forget_widgets("gift-credits")


@guarded
def save_roles(account_id: str) -> None:
    """Give them exactly these roles."""
    roles = tuple(recall(f"roles-of-{account_id}") or ())
    _do(lambda runtime, session: set_roles(runtime, session, account_id, roles), lambda _: "Roles saved.")


@guarded
def suspend_person(account_id: str) -> None:
    """Suspend, for the reason that was written."""
    reason = widget_text(f"suspend-reason-{account_id}")
    if _do(
        lambda runtime, session: suspend(runtime, session, account_id, reason),
        lambda ended: f"Suspended; {count(ended, 'sign-in')} ended. They are mailed your reason.",
    ):
        forget_widgets(f"suspend-reason-{account_id}")


@guarded
def end_suspension(account_id: str) -> None:
    """Let them in again."""
    _do(
        lambda runtime, session: end_suspension_of(runtime, session, account_id),
        lambda _: "The account is open again. They are told by mail.",
    )


@guarded
def sign_out(account_id: str) -> None:
    """End their sign-ins."""
    _do(
        lambda runtime, session: sign_out_person(runtime, session, account_id),
        lambda ended: f"{count(ended, 'sign-in')} ended.",
    )


@guarded
def stop_runs(account_id: str) -> None:
    """Cancel what is under way."""
    _do(
        lambda runtime, session: stop_runs_of(runtime, session, account_id),
        lambda number: f"{count(number, 'run')} asked to stop.",
    )


@guarded
def open_content(account_id: str) -> None:
    """Open their content for the reason that was written."""
    reason = widget_text(f"look-reason-{account_id}")
    if _do(
        lambda runtime, session: open_look(runtime, session, account_id, reason),
        lambda _: "Open for 30 minutes. They are mailed your reason.",
    ):
        forget_widgets(f"look-reason-{account_id}")


@guarded
def close_content(account_id: str) -> None:
    """Close it before its time."""
    _do(lambda runtime, session: end_look(runtime, session, account_id), lambda _: "Closed.")


def _do(act: Callable[..., Any], said: Callable[[Any], str]) -> bool:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    done: list[Any] = []
    if not attempt(lambda: done.append(act(runtime, session))):
        return False
    say(said(done[0]))
    return True
