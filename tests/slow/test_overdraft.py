"""Ten thousand tries to hold credits at once, from two processes and many threads: never one more than there are."""

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import find_account
from core.bootstrap import build_runtime
from core.credits import postings
from core.credits.commands import set_credits
from core.credits.domain import InsufficientCredits
from core.credits.queries import balance, verify_ledger
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from tests.conftest import PASSWORD

pytestmark = pytest.mark.slow
TRIES, THREADS, CREDITS = 10_000, 8, 3_000
EMAIL = "ada@example.org"


def _try(runtime: Runtime, person: Account, number: int) -> tuple[int, int]:
    """Hold one or two; then settle some of it, give it back, or leave it held. Answers what is held and was spent."""
    chance = random.Random(number)
    micros, cause = chance.choice((1, 2)), f"run:{number}:1"
    try:
        with runtime.database.write() as session:
            postings.hold(runtime, session, person.id, plan=person.plan, micros=micros, cause=cause)
    except InsufficientCredits:
        return 0, 0
    end = chance.random()
    if end < 0.4:
        return micros, 0
    with runtime.database.write() as session:
        if end < 0.7:
            postings.release(runtime, session, person.id, held=micros, cause=cause)
            return 0, 0
        postings.settle(
            runtime, session, person.id, plan=person.plan, held=micros, micros=1, cause=cause, price_version=None
        )
    return 0, 1


def _try_many(settings: dict[str, str], numbers: range) -> tuple[int, int]:
    """A process of its own, with threads."""
    runtime = build_runtime(load_settings(_env_file=None, **settings))
    person = find_account(runtime, EMAIL)
    assert person is not None
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(partial(_try, runtime, person), numbers))
    runtime.database.dispose()
    return sum(held for held, _ in done), sum(spent for _, spent in done)


def test_no_overdraft_in_ten_thousand_concurrent_tries(
    runtime: Runtime, database_settings: dict[str, str], tmp_path: Path
) -> None:
    person = create_account(runtime, email=EMAIL, password=PASSWORD, plan="free")
    set_credits(runtime, person, micros=CREDITS)
    settings = {**database_settings, "data_dir": str(tmp_path / "data")}
    halves = [range(0, TRIES, 2), range(1, TRIES, 2)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(partial(_try_many, settings), halves))
    held, spent = (sum(column) for column in zip(*done, strict=True))
    now = balance(runtime, person)
    assert (now.held_micros, now.spent_micros) == (held, spent)
    assert now.available_micros == CREDITS - held - spent
    assert now.available_micros < 2, "it was tried until nothing was left"
    assert verify_ledger(runtime).problems == ()
