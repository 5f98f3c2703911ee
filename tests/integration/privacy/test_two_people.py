"""Two people who reviewed each other's runs through mailed links: a copy of one holds nothing of the other's account,
and when one is erased the other's runs, outputs and decisions stay as they are, without who decided."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.audit import verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.credits.commands import grant_month
from core.credits.queries import balance, verify_ledger
from core.execution.commands import start_run
from core.execution.domain import ReviewView, RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.execution.review_queries import reviews_of_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.privacy import deciding
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.domain import Details
from core.privacy.erasure.commands import begin_erasure, carry_out
from core.privacy.erasure.rows import left_rows
from core.privacy.export.fetching import fetch_copy
from core.privacy.queries import get_request
from core.privacy.scan.commands import scan
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.privacy.conftest import REASON, privacy_admin
from tests.support.clock import FixedClock
from tests.support.letters import last_letter
from tests.support.planting.finding import opened_places
from web.middleware import build_middleware
from web.routes import build_routes

pytestmark = pytest.mark.slow_on_postgres

ORIGIN = "http://testserver"


@dataclass
class Reviewed:
    """Somebody whose run another person reviewed. `mark` stands in all that is theirs alone."""

    session: SessionView
    mark: str
    run_id: str = ""

    @property
    def address(self) -> str:
        return self.session.account.email

    @property
    def id(self) -> str:
        return self.session.account.id

    def state(self, runtime: Runtime) -> tuple[RunView, tuple[ReviewView, ...], int]:
        """The run with its outputs, its reviews, and what is left of the credits."""
        account = self.session.account
        run, reviews = get_run(runtime, self.id, self.run_id), reviews_of_run(runtime, self.id, self.run_id)
        return run, reviews, balance(runtime, account).available_micros

    def account_marks(self, other: Reviewed) -> list[str]:
        """What would tell that the other's account was looked into: ids, the address, words of their own."""
        return [other.id, other.run_id, other.address, f"{other.mark}-output", f"{other.mark}-pipeline"]


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, app_url=ORIGIN, **database_settings)


@pytest.fixture
def two(runtime: Runtime) -> tuple[Reviewed, Reviewed]:
    """Ada and Bob: each asked a question that names the other, and the other answered it, naming both."""
    ada, bob = (_person(runtime, name) for name in ("ada", "bob"))
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=ORIGIN) as browser:
        for owner, reviewer in ((ada, bob), (bob, ada)):
            _ask(runtime, owner, reviewer)
            path = re.search(rf"{ORIGIN}(/review/\S+)", last_letter(runtime, owner.address).text)
            assert path is not None
            comment = f"{reviewer.mark}-name agrees with {owner.mark}-name"
            form = {"decision": "approve", "output": f"{reviewer.mark}-edited", "comment": comment}
            assert browser.post(path[1], data=form).status_code == 200
            _go_on(runtime, owner.run_id)
            run = get_run(runtime, owner.id, owner.run_id)
            assert (run.status, run.output_data) == ("completed", f"{owner.mark}-output {reviewer.mark}-edited")
    return ada, bob


def _person(runtime: Runtime, name: str) -> Reviewed:
    email, mark = f"{name}.otterly@example.org", f"{name}otterly"
    account = create_account(runtime, email=email, password=PASSWORD, name=f"{mark}-name", plan="pro")
    grant_month(runtime, account)
    return Reviewed(session_of(runtime, email), mark)


def _ask(runtime: Runtime, owner: Reviewed, reviewer: Reviewed) -> None:
    steps = [
        {"id": "draft", "type": "transform", "template": f"{owner.mark}-output"},
        {"id": "look", "type": "human_review", "message": f"Does {reviewer.address} agree?", "editable": True},
        {"id": "use", "type": "transform", "template": "{{steps.draft.output}} {{steps.look.output.output}}"},
    ]
    source = {"name": f"{owner.mark}-pipeline", "version": 1, "steps": steps}
    made = create_pipeline(runtime, owner.session.account, source)
    owner.run_id = start_run(runtime, owner.session.account, made.id, {}).id
    _go_on(runtime, owner.run_id)


def _go_on(runtime: Runtime, run_id: str) -> None:
    engine = Engine(runtime, "serve:test")
    asyncio.run(run_to_end(engine, run_id))
    engine.close()


def _copy(runtime: Runtime, owner: Reviewed, admins: tuple[SessionView, SessionView], *, whole: bool) -> str:
    """What a copy of a person's data holds, unpacked; with the words of others in it, or without."""
    asked = ask(runtime, owner.session, "access", Details()).id
    (review,) = reviews_of_run(runtime, owner.id, owner.run_id)
    deciding.leave_out(runtime, admins[0], asked, frozenset() if whole else frozenset({review.id}))
    if not deciding.decide(runtime, admins[0], asked, "accept", REASON):
        deciding.sign_second(runtime, admins[1], asked)
    advance_request(runtime, asked)
    assert get_request(runtime, owner.id, asked).request.outcome == ("fulfilled" if whole else "partial")
    packed = b"".join(fetch_copy(runtime, owner.session, asked).pieces)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return "".join(f"{name}\n{archive.read(name).decode(errors='replace')}\n" for name in archive.namelist())


def test_a_copy_holds_nothing_of_the_others_account(runtime: Runtime, two: tuple[Reviewed, Reviewed]) -> None:
    admins = privacy_admin(runtime, "grace@example.org"), privacy_admin(runtime, "linus@example.org")
    ada, bob = two
    without = _copy(runtime, ada, admins, whole=False)
    assert f"{ada.mark}-output" in without and ada.run_id in without
    asked = f"Does {bob.address} agree?"
    assert asked in without, "what Ada wrote herself is hers, whoever it names"
    rest = without.replace(asked, "")
    assert [mark for mark in ada.account_marks(bob) if mark in rest] == []
    assert f"{bob.mark}-name agrees" not in rest
    whole = _copy(runtime, bob, admins, whole=True)
    assert f"{ada.mark}-name agrees with {bob.mark}-name" in whole, "nobody found that it has to be left out"
    rest = whole.replace(f"Does {ada.address} agree?", "")
    assert [mark for mark in bob.account_marks(ada) if mark in rest] == []


@pytest.mark.usefixtures("no_other_process")
@pytest.mark.parametrize("who", [0, 1])
def test_who_stays_keeps_everything(runtime: Runtime, two: tuple[Reviewed, Reviewed], who: int) -> None:
    leaving, staying = two[who], two[1 - who]
    before = staying.state(runtime)
    certificate = carry_out(runtime, begin_erasure(runtime, leaving.address))
    assert certificate.body["scan"]["hits"] == 0 and left_rows(runtime, leaving.id) == {}
    assert staying.state(runtime) == before
    (review,) = before[1]
    assert (review.status, review.decision, review.decided_by) == ("decided", "approve", "link")
    assert review.comment == f"{leaving.mark}-name agrees with {staying.mark}-name", "theirs, as all of their run"
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
    # Who decided is told nowhere: what is left of the other is what stands in the words that were written.
    opened = opened_places(runtime, staying.id)
    assert [
        place for place, data in opened.items() if leaving.id.encode() in data or leaving.run_id.encode() in data
    ] == []
    found = scan(runtime, [f"{leaving.mark}-output", f"{leaving.mark}-pipeline"], people=[staying.id])
    assert found.hits == ()
