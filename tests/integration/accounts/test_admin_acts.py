"""What admins do in their rooms is refused in core to others, and without a fresh password where it takes one."""

from collections.abc import Callable

import pytest

from core.accounts.audit import list_acts
from core.accounts.domain import Account, SessionView
from core.accounts.jobs_by_hand import run_job_now
from core.accounts.looks import check_look, end_look, note_looked, open_look
from core.accounts.outbox import drop, send_again
from core.accounts.people import id_range, list_people
from core.accounts.suspension import end_suspension, sign_out_person, suspend
from core.credits.commands import give_credits
from core.execution.oversight import stop_runs_of
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock

REASON = "A reason that is long enough to be one."
ACTS: dict[str, tuple[Callable[[Runtime, SessionView, str], object], bool]] = {
    "suspend": (lambda r, by, who: suspend(r, by, who, REASON), True),
    "end a suspension": (lambda r, by, who: end_suspension(r, by, who), True),
    "sign out": (lambda r, by, who: sign_out_person(r, by, who), True),
    "give credits": (lambda r, by, who: give_credits(r, by, who, 5, "goodwill"), True),
    "stop runs": (lambda r, by, who: stop_runs_of(r, by, who), True),
    "open content": (lambda r, by, who: open_look(r, by, who, REASON), True),
    "close content": (lambda r, by, who: end_look(r, by, who), False),
    "read content": (lambda r, by, who: check_look(r, by, who), False),
    "note what was read": (lambda r, by, who: note_looked(r, by, who, "list", who), False),
    "try a mail": (lambda r, by, who: send_again(r, by, who), False),
    "drop a mail": (lambda r, by, who: drop(r, by, who), True),
    "run a job": (lambda r, by, who: run_job_now(r, by, "key_cleanup"), False),
}


@pytest.mark.parametrize("act", ACTS)
def test_nobody_but_an_admin_does_it(
    runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock, act: str
) -> None:
    do, needs_password = ACTS[act]
    before = len(list_acts(runtime, 100).items)
    with pytest.raises(Forbidden) as refused:
        do(runtime, session_of(runtime, ada.email), admin.account.id)
    assert refused.value.code == "NOT_ADMIN"
    clock.advance(minutes=11)
    if needs_password:
        with pytest.raises(Forbidden) as stale:
            do(runtime, admin, ada.id)
        assert stale.value.code == "CONFIRM_PASSWORD"
    assert len(list_acts(runtime, 100).items) == before, "nothing was done"


def test_a_job_or_mail_that_is_not_there(runtime: Runtime, admin: SessionView) -> None:
    with pytest.raises(NotFound):
        run_job_now(runtime, admin, "no_such_job")
    for act in (send_again, drop):
        with pytest.raises(Conflict):
            act(runtime, admin, "no such mail")


def test_credits_need_a_declared_reason_and_somebody(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    for credits, why in ((5, "because"), (0, "goodwill"), (2_000_000, "goodwill")):
        with pytest.raises(InvalidInput):
            give_credits(runtime, admin, ada.id, credits, why)
    with pytest.raises(NotFound):
        give_credits(runtime, admin, "nobody", 5, "goodwill")
    assert give_credits(runtime, admin, ada.id, 0.000001, "goodwill") == 1


def test_people_are_found_by_the_beginning_of_an_id(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    assert [each.id for each in list_people(runtime, text=ada.id[:20].upper()).items] == [ada.id]
    assert [each.id for each in list_people(runtime, text=ada.id).items] == [ada.id]
    newest, older = list_people(runtime, limit=1), list_people(runtime).items
    assert newest.items == older[:1] and newest.next_cursor == older[0].id
    assert list_people(runtime, limit=1, cursor=newest.next_cursor).items == older[1:2]
    for text in ("abc", "0123456g", "01234567x", "%", "a" * 40):
        with pytest.raises(InvalidInput):
            list_people(runtime, text=text)
    assert id_range("0191") == ("01910000-0000-0000-0000-000000000000", "0191ffff-ffff-ffff-ffff-ffffffffffff")
