"""Every example and every template runs, on SQLite in one process and on PostgreSQL with two workers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.accounts.commands import create_account, set_secret
from core.accounts.domain import Account
from core.bootstrap import build_runtime, prepare
from core.execution.commands import start_run
from core.execution.delivery_queries import deliveries_of_run
from core.execution.domain import FINAL, RunView
from core.execution.queries import get_run, run_status
from core.execution.review_queries import reviews_of_run
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from core.platform.signatures import verify
from tests.conftest import PASSWORD
from tests.support.http_peer import HttpPeer, peer_in_thread
from tests.support.postgres import new_database, new_migrated_database
from tests.support.server import ROOT, poll_until
from tests.support.workers import WorkerProcess

EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
DATA = ROOT / "examples" / "data"
PAGE = b"<html><head><title>Bees</title></head><body><p>A hive holds 40,000 bees.</p></body></html>"
RECORDS = json.dumps({"items": [{"name": "pump", "status": "up"}, {"name": "fan", "status": "down"}]}).encode()
SECRETS = {"HOOK_TOKEN": "hook-token-1", "SIGNING_KEY": "signing-key-1", "API_TOKEN": "api-token-1"}


class Place:
    """Where the examples run: a person with all that they need."""

    def __init__(self, runtime: Runtime, peer: HttpPeer) -> None:
        self.runtime, self.peer = runtime, peer
        self.owner: Account = create_account(runtime, email="ada@example.org", password=PASSWORD)
        for name, value in SECRETS.items():
            set_secret(runtime, self.owner.id, name, value)
        self.pipelines = {
            file.stem: create_pipeline(runtime, self.owner, file.read_text()).id
            for file in sorted(EXAMPLES, key=lambda file: file.stem != "condense")  # it is called by another
        }

    def run(self, example: str, **inputs: Any) -> RunView:
        """Run an example to its end; reviews are decided on the way."""
        run = start_run(self.runtime, self.owner, self.pipelines[example], inputs)
        decisions = iter((("reject", {"comment": "Too long."}), ("approve", {"output": "The shop opens on Monday."})))

        def ended() -> bool:
            status = run_status(self.runtime, self.owner.id, run.id)
            asked = reviews_of_run(self.runtime, self.owner.id, run.id) if status == "waiting" else ()
            if any(review.status == "open" for review in asked):
                decision, more = next(decisions)
                decide_review(self.runtime, self.owner, run.id, "approval", decision, **more)  # type: ignore[arg-type]
            return status in FINAL

        poll_until(ended, 60, f"{example} did not end")
        return get_run(self.runtime, self.owner.id, run.id)

    def address(self, path: str) -> str:
        """An address at the peer."""
        return f"http://127.0.0.1:{self.peer.port}{path}"

    def asked(self, path: str) -> list[Any]:
        """The requests for a path."""
        return [request for request in self.peer.requests if request.path == path]


@contextmanager
def _runtime(folder: Path, **settings: Any) -> Iterator[Runtime]:
    made = build_runtime(
        load_settings(
            _env_file=None, data_dir=folder, bcrypt_cost=4, demo_pace_ms=0, outbound_allowlist="127.0.0.1", **settings
        )
    )
    prepare(made)
    try:
        yield made
    finally:
        made.dispatcher.stop()
        made.database.dispose()


@pytest.fixture(scope="module", params=["sqlite", "two workers"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("examples") / "data"
    with peer_in_thread() as peer:
        peer.answers = {
            "/page": (200, {"Content-Type": "text/html"}, PAGE),
            "/records": (200, {"Content-Type": "application/json"}, RECORDS),
            "/well": (200, {"Content-Type": "text/plain"}, b"ok"),
            "/ill": (503, {"Content-Type": "text/plain"}, b"no"),
        }
        if request.param == "sqlite":
            with _runtime(folder) as runtime:
                runtime.dispatcher.start()
                yield Place(runtime, peer)
            return
        settings = {"DATABASE_URL": new_migrated_database(), "KEY_STORE_URL": new_database()}
        shared = {"STEPIQ_DEMO_PACE_MS": "0", "OUTBOUND_ALLOWLIST": "127.0.0.1"}
        with _runtime(folder, **{name.lower(): value for name, value in settings.items()}) as runtime:
            workers = [WorkerProcess(folder, f"examples{n}", 2, **settings, **shared) for n in (1, 2)]
            try:
                for worker in workers:
                    worker.start()
                yield Place(runtime, peer)
            finally:
                for worker in workers:
                    worker.end()


def inputs(place: Place, example: str) -> dict[str, Any]:
    """What an example is run with."""
    text = {"text": (DATA / "community_garden.txt").read_text()}
    return {
        "condense": text,
        "digest": text,
        "summarise": text,
        "three_views": text,
        "translate_compare": text,
        "invoice": {"invoice": (DATA / "invoice.txt").read_text()},
        "product_listing": {"notes": "oak stool, 45 cm, oiled, made in Porto, 89 euros"},
        "review_loop": {"news": "The shop opens on Monday at nine."},
        "route_by_topic": {"message": "I was charged twice, please refund the invoice."},
        "support_triage": {"mail": (DATA / "support_mails.txt").read_text()},
        "send_on": {**text, "address": place.address("/hook")},
        "api_integration": {"source": place.address("/records"), "target": place.address("/summaries")},
        "content_generator": {"topic": "Keeping bees in a city"},
        "data_processor": {"records": '[{"name": " Ada ", "score": 3}, {"name": "Bo", "score": 8.5}]'},
        "monitor_alert": {"check_url": place.address("/ill"), "alert_url": place.address("/alert")},
        "web_scraper": {"url": place.address("/page")},
    }[example]  # fmt: skip


@pytest.mark.parametrize("file", [file for file in EXAMPLES if file.stem != "order_totals"], ids=lambda file: file.stem)
def test_an_example_runs(place: Place, file: Path) -> None:
    run = place.run(file.stem, **inputs(place, file.stem))
    assert run.status == "completed", run.error
    assert run.output_data, "it answers with something"
    over = {step.status for step in run.steps}
    assert over <= {"completed", "skipped"}, over
    assert all(step.parsed_output for step in run.steps if step.status == "completed" and step.type == "llm")


def test_orders_are_summed_from_a_file(place: Place) -> None:
    with (DATA / "orders.csv").open("rb") as orders:
        stored = store_file(place.runtime, place.owner.id, "orders.csv", orders.read())
    run = place.run("order_totals", orders=stored.id)
    assert run.status == "completed", run.error
    assert run.output_data == (
        "1. Maison Bleue: 320.0 (big customer)\n2. Jardin du Roy: 107.0 (big customer)\n3. Atelier Loire: 55.0"
    )


def test_a_rejected_announcement_is_drafted_again(place: Place) -> None:
    run = place.run("review_loop", **inputs(place, "review_loop"))
    assert run.output_data == "The shop opens on Monday.", "what the reviewer made of it"
    told = [review.decision for review in reviews_of_run(place.runtime, place.owner.id, run.id)]
    assert told == ["reject", "approve"]


def test_only_one_way_is_taken(place: Place) -> None:
    run = place.run("route_by_topic", **inputs(place, "route_by_topic"))
    assert {step.step_id: step.status for step in run.steps}["general"] == "skipped"
    run = place.run("route_by_topic", message="Where is the shop?")
    assert {step.step_id: step.status for step in run.steps}["billing"] == "skipped"


def test_the_summary_and_its_notice_are_sent(place: Place) -> None:
    before = len(place.asked("/hook"))
    run = place.run("send_on", **inputs(place, "send_on"))

    def arrived() -> bool:
        return len(place.asked("/hook")) == before + 2 and all(
            each.status == "sent" for each in deliveries_of_run(place.runtime, place.owner.id, run.id)
        )

    poll_until(arrived, 30, "the notice did not come")
    posted, notice = place.asked("/hook")[before:]
    assert posted.headers["authorization"] == "Bearer hook-token-1"
    assert json.loads(posted.body) == {"summary": run.output_data}
    now = int(place.runtime.clock.now().timestamp())
    assert verify("signing-key-1", notice.headers, notice.body, now=now)


def test_an_api_is_read_and_another_one_told(place: Place) -> None:
    place.run("api_integration", **inputs(place, "api_integration"))
    assert place.asked("/records")[-1].headers["authorization"] == "Bearer api-token-1"
    told = json.loads(place.asked("/summaries")[-1].body)
    assert told["records"] == [{"name": "pump", "status": "up"}, {"name": "fan", "status": "down"}]


def test_an_alert_is_raised_only_when_something_is_wrong(place: Place) -> None:
    before = len(place.asked("/alert"))
    place.run("monitor_alert", check_url=place.address("/well"), alert_url=place.address("/alert"))
    assert len(place.asked("/alert")) == before
    place.run("monitor_alert", **inputs(place, "monitor_alert"))
    assert json.loads(place.asked("/alert")[-1].body)["status"] == 503


def test_records_are_cleaned_and_judged(place: Place) -> None:
    run = place.run("data_processor", **inputs(place, "data_processor"))
    outputs = {step.step_id: step.parsed_output for step in run.steps}
    assert outputs["clean"] == [{"name": "Ada", "score": 3.0}, {"name": "Bo", "score": 8.5}]
    assert outputs["verdict"] == {"records": 2, "average": 5.75, "best": 8.5, "passed": True}
