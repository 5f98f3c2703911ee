"""What has ended is deleted by the hourly job, and nothing else."""

from sqlalchemy import text

from core.accounts.domain import Account, SessionView
from core.accounts.invitations import invite
from core.accounts.passwords import forget_password
from core.accounts.registration import request_code
from core.platform.runtime import Runtime
from jobs import session_cleanup
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import letters_to

TABLES = ("sessions", "account_links", "sign_up_codes", "invitations")


def counts(runtime: Runtime) -> list[int]:
    with runtime.database.read() as session:
        return [session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES]


def test_the_job_deletes_what_has_ended(runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock) -> None:
    session_of(runtime, ada.email)
    forget_password(runtime, email=ada.email)
    forget_password(runtime, email="nobody@example.org")
    request_code(runtime, email="grace@example.org")
    invite(runtime, admin, email="grace@example.org")
    assert counts(runtime) == [2, 2, 1, 1]
    assert session_cleanup.run(runtime, clock.now()) == 0
    clock.advance(minutes=61)
    assert session_cleanup.run(runtime, clock.now()) == 3 and counts(runtime) == [2, 0, 0, 1]
    clock.advance(days=15)
    assert session_cleanup.run(runtime, clock.now()) == 3 and counts(runtime) == [0, 0, 0, 0]


def test_a_sign_in_is_news_also_when_no_other_is_left(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    session_of(runtime, ada.email, device="Firefox/140", client_host="192.0.2.1")
    clock.advance(days=15)
    session_cleanup.run(runtime, clock.now())
    session_of(runtime, ada.email, device="curl/8", client_host="198.51.100.7")
    assert [mail.subject for mail in letters_to(runtime, ada.email)] == ["New sign-in: curl/8"]
