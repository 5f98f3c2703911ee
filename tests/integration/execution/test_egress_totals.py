"""Counts of everybody's: what fewer than five people share is folded, and no category tells of one of them."""

from datetime import timedelta

from core.execution.egress_queries import flows
from core.execution.egress_totals import TotalFlow, total_flows
from core.platform.runtime import Runtime
from tests.support.sent_rows import sent

EMAIL, PHONE = "user.contact.email", "user.contact.phone_number"


def totals(runtime: Runtime) -> tuple[TotalFlow, ...]:
    now = runtime.clock.now()
    return total_flows(runtime, now - timedelta(days=7), now + timedelta(minutes=1))


def test_few_people_are_folded(runtime: Runtime) -> None:
    for number in range(5):
        sent(runtime, f"person-{number}", categories=EMAIL)
    for number in range(4):
        sent(runtime, f"person-{number}", "hooks.one.example", kind="webhook", region=None)
        sent(runtime, f"person-{number}", categories=f"{EMAIL},{PHONE}")
    sent(runtime, "person-1", "hooks.two.example", kind="webhook", region=None)
    assert totals(runtime) == (
        TotalFlow("model", "anthropic", "US", 9, 5, (EMAIL,)),
        TotalFlow(None, None, None, 5, None, ()),
    )


def test_what_never_left_and_what_is_too_old_is_not_counted(runtime: Runtime) -> None:
    for number in range(5):
        sent(runtime, f"person-{number}", outcome="not_sent")
        sent(runtime, f"person-{number}", at=runtime.clock.now() - timedelta(days=8))
    assert totals(runtime) == ()


def test_flows_of_one_person_add_up(runtime: Runtime) -> None:
    sent(runtime, "ada", pipeline_id="p", categories=EMAIL)
    sent(runtime, "ada", pipeline_id="p", categories=None, outcome="begun", purpose="repair")
    sent(runtime, "ada", pipeline_id="p", masked=PHONE, funding="own_key")
    sent(runtime, "ada", pipeline_id="q", outcome="not_sent")
    sent(runtime, "eve", pipeline_id="p")
    (flow,) = flows(runtime, "ada")
    assert (flow.pipeline_id, flow.recipient, flow.times, flow.unsure, flow.unseen, flow.size) == (
        "p", "anthropic", 3, 1, 1, 300,
    )  # fmt: skip
    assert (flow.categories, flow.masked) == ((EMAIL,), (PHONE,))
    assert (flow.purposes, flow.fundings) == (("prompt", "repair"), ("own_key", "platform"))
    later = runtime.clock.now() + timedelta(days=1)
    assert flows(runtime, "ada", since=later) == () and flows(runtime, "ada", pipeline_id="q") == ()
