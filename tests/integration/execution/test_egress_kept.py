"""What left, added up before somebody looks where there is much of it, and for the asking where there is little."""

import pytest

from core.execution import egress_kept
from core.execution.egress_kept import count_totals, totals_of
from core.platform.runtime import Runtime
from tests.support.town import build_town


def test_much_is_added_up_before_and_says_when(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    build_town(runtime, 100, 500, lambda _: None)
    live = totals_of(runtime, 30)
    assert live is not None and live.counted_at is None and sum(flow.times for flow in live.flows) > 50
    assert count_totals(runtime) == 0, "little of it is never kept"
    monkeypatch.setattr(egress_kept, "COUNTED_AT_ONCE", 20)
    assert totals_of(runtime, 30) is None, "not counted yet"
    assert count_totals(runtime) == 3 == count_totals(runtime)
    kept = totals_of(runtime, 30)
    assert kept is not None and kept.counted_at is not None and kept.flows == live.flows
