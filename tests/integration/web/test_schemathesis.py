"""Requests made of the API's own description: nothing fails, and every answer is one that is documented."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.platform.runtime import Runtime
from tests.integration.web.test_who_may_what import API, PUBLIC, ROLE, SESSION, TRIGGER
from tests.support.described_api import CALLERS, FAST, checks_of, visited

EXAMPLES, SEED = 4, 2
# What a request cannot do without a letter, a run that its budget paused, a password that is known, a shop, or the
# operator's token; and what four requests by chance seldom carry out: an answer that was written, a valid schedule.
BY_OTHER_TESTS = {
    "GET /metrics",
    "GET /privacy/requests/{request_id}/answer",
    "POST /pipelines/{pipeline_id}/schedules",
    "POST /billing/checkout",
    "POST /billing/portal",
    "POST /billing/stripe/webhook",
    "POST /auth/login",
    "POST /auth/register",
    "POST /auth/reset-password",
    "POST /runs/{run_id}/resume",
    "POST /privacy/requests/{request_id}/begin",
    "GET /privacy/requests/{request_id}/download",
    "POST /user/password",
}


@pytest.mark.parametrize("kind", CALLERS)
def test_every_answer_is_documented(runtime_with: Callable[..., Runtime], kind: str) -> None:
    runtime = runtime_with(app_url="http://testserver", signup="open", **FAST)
    with visited(runtime, kind) as (visitor, app):
        # The edges of every value are looked at in the slow tests, with more requests by chance.
        for check in checks_of(visitor, app, examples=EXAMPLES, seed=SEED, edges=False):
            check()
    assert not visitor.found, "\n\n".join(visitor.found.values())
    done = {name for name, statuses in visitor.answered.items() if min(statuses) < 300}
    theirs = {
        "anonymous": {PUBLIC},
        "key": {*API.values()} - {SESSION, ROLE},
        "person": {*API.values()} - {TRIGGER, ROLE},
    }[kind]
    may = {f"{method} {path}" for (method, path), who in API.items() if who in theirs}
    assert may - done - BY_OTHER_TESTS == set(), "never carried out"
    assert done <= may, "carried out for the wrong caller"
