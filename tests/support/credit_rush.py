"""Many runs at once on few credits: what starts them, and what must be true of them afterwards."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.commands import grant_month, set_credits
from core.credits.queries import balance, verify_ledger
from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import LimitExceeded
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from web.errors import status_of

RUNS = 50
CREDITS = 10
# About a credit a step: two thousand tokens read, and few written. What is held before is some times as much.
STEP = {"model": "claude-sonnet-4-5", "max_tokens": 64}
LONG = "bees " * 1_600


def spender(runtime: Runtime) -> tuple[Account, str]:
    """Somebody with ten credits, and a pipeline whose two calls cost about two."""
    person = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="pro")
    grant_month(runtime, person)
    set_credits(runtime, person, micros=CREDITS * MICROS)
    steps = [{"id": "a", "prompt": LONG, **STEP}, {"id": "b", "prompt": f"{LONG} {{{{steps.a.output}}}}", **STEP}]
    return person, create_pipeline(runtime, person, {"name": "Dear", "version": 1, "steps": steps}).id


def start_all(runtime: Runtime, person: Account, pipeline_id: str, threads: int) -> tuple[list[str], int]:
    """Ask for fifty runs at once: the ids of those that were made, and how many were refused, each with a 402."""

    def ask(_number: int) -> str | None:
        try:
            return start_run(runtime, person, pipeline_id, {}).id
        except LimitExceeded as refusal:
            assert (refusal.code, status_of(refusal)) == ("INSUFFICIENT_CREDITS", 402)
            return None

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(ask, range(RUNS)))
    made = [run_id for run_id in answers if run_id is not None]
    return made, RUNS - len(made)


def check_ended(runtime: Runtime, person: Account, run_ids: list[str]) -> Counter[str]:
    """Every run completed, or says that credits were too few; nothing was spent that was not there."""
    views: list[RunView] = [get_run(runtime, person.id, run_id) for run_id in run_ids]
    for view in views:
        assert view.status in ("completed", "failed"), view.status
        if view.status == "failed":
            assert view.error is not None and view.error["code"] == "INSUFFICIENT_CREDITS", view.error
            assert "are left" in str(view.error["message"])
    now = balance(runtime, person)
    assert now.available_micros >= 0 and now.held_micros == 0
    assert now.spent_micros == sum(view.credit_micros for view in views) <= CREDITS * MICROS
    assert now.spent_micros + now.available_micros == CREDITS * MICROS
    assert now.spent_micros > 0
    assert verify_ledger(runtime).problems == ()
    return Counter(view.status for view in views)
