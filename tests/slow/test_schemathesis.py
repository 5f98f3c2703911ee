"""As in every run of the tests, with many more requests by chance and several seeds."""

from collections.abc import Callable

import pytest

from core.platform.runtime import Runtime
from tests.support.described_api import CALLERS, FAST, checks_of, visited

pytestmark = pytest.mark.slow
EXAMPLES, SEEDS = 60, (2, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", CALLERS)
def test_every_answer_is_documented(runtime_with: Callable[..., Runtime], kind: str, seed: int) -> None:
    runtime = runtime_with(app_url="http://testserver", signup="open", **FAST)
    with visited(runtime, kind) as (visitor, app):
        for check in checks_of(visitor, app, examples=EXAMPLES, seed=seed):
            check()
    assert not visitor.found, "\n\n".join(visitor.found.values())
