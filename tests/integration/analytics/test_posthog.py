"""What PostHog is sent, as a server takes it: declared names, no person, nothing else, and never in the way."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.accounts.commands import create_account
from core.accounts.consents import choose
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.analytics.catalogue import EVENTS, FIELDS
from core.analytics.commands import flush
from core.analytics.pending import Pending
from core.analytics.posthog_sink import HELD, PostHogSink
from core.platform.runtime import Runtime
from core.privacy.checks.commands import check_promises
from tests.conftest import PASSWORD
from tests.support.capture_server import CaptureServer, capture_server
from tests.support.clock import FixedClock
from tests.support.encodings import traces_of
from tests.support.planting.everything import planted_person
from tests.support.waiting_events import waiting_events

pytestmark = pytest.mark.slow_on_postgres

KEY = "phc_test"
SECONDS = 10.0


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def posthog() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


Make = Callable[..., Runtime]


@pytest.fixture
def measured(runtime_with: Make, database_settings: dict[str, str], clock: FixedClock) -> Make:
    def make(host: str) -> Runtime:
        return runtime_with(clock=clock, posthog_api_key=KEY, posthog_host=host, **database_settings)

    return make


@pytest.fixture
def runtime(measured: Make, posthog: CaptureServer) -> Runtime:
    return measured(posthog.host)


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD)


def sink_of(runtime: Runtime) -> PostHogSink:
    assert runtime.events.sink is not None
    return runtime.events.sink


def send(runtime: Runtime) -> int:
    runtime.events.write_now()
    return sink_of(runtime).send_now(SECONDS)


def stored(runtime: Runtime) -> int:
    return len(waiting_events(runtime))


def test_the_wire_holds_exactly_what_is_declared(runtime: Runtime, ada: Account, posthog: CaptureServer) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs", duration_ms=33)
    runtime.events.emit("run.ended", ada.id, status="completed", trigger="manual", funding="free", steps=2)
    assert send(runtime) == 6  # and three stages, and that somebody was there this week
    assert {(method, path) for method, path, *_ in posthog.requests} == {("POST", "/batch/")}
    for _, _, headers, _ in posthog.requests:
        assert headers.keys() == {
            "Host", "User-Agent", "Accept-Encoding", "Accept", "Connection", "Content-Type", "Content-Length",
        }  # fmt: skip
    for body in posthog.bodies:
        assert body.keys() == {"batch", "historical_migration", "sent_at", "api_key"}
        assert (body["api_key"], body["historical_migration"]) == (KEY, False)
    always = {"$process_person_profile": False, "$geoip_disable": True}
    for event in posthog.events:
        assert event.keys() == {"event", "distinct_id", "uuid", "timestamp", "properties"}
        assert event["timestamp"] == "2027-01-31T12:00:00+00:00"
        said = event["properties"]
        assert always.items() <= said.items()
        own = said.keys() - always.keys() - {"plan"}
        assert own <= set(EVENTS[event["event"]].fields) and all(FIELDS[name].holds(said[name]) for name in own)
    (viewed,) = [each for each in posthog.events if each["event"] == "page.viewed"]
    assert viewed["properties"] == {"page": "runs", "duration_ms": 50, "plan": ada.plan, **always}
    record = sink_of(runtime).record
    assert (record.sent, record.failed, record.left_out, record.undeclared) == (stored(runtime), 0, 0, ())
    assert "batch.properties.page" in record.keys and "api_key" in record.keys


def test_every_event_is_of_somebody_else(runtime: Runtime, ada: Account, posthog: CaptureServer) -> None:
    for _ in range(40):
        runtime.events.emit("page.viewed", ada.id, page="runs")
    send(runtime)
    ids = [each[name] for each in posthog.events for name in ("distinct_id", "uuid")]
    assert len(set(ids)) == len(ids) >= 80 and {UUID(each).version for each in ids} == {4}
    visitors = {each["visitor"] for each in waiting_events(runtime) if "visitor" in each}
    wire = b"".join(body for *_, body in posthog.requests).decode()
    assert visitors and not any(visitor in wire for visitor in visitors)


def test_a_person_is_nowhere_on_the_wire(
    runtime_with: Make, database_settings: dict[str, str], posthog: CaptureServer
) -> None:
    settings = {"posthog_api_key": KEY, "posthog_host": posthog.host, **database_settings}
    with planted_person(runtime_with, **settings) as (stage, planted):
        send(stage.runtime)
        assert posthog.events, "what came before they objected and asked for a halt; the rest is left out"
        wire = b"\n".join(body + json.dumps(headers).encode() for _, _, headers, body in posthog.requests)
        values = {**planted.values, "account": planted.account.id}
        assert traces_of(values, wire) == []
        assert traces_of({"proof": planted.words.tag}, wire + planted.words.tag.encode())  # it would be found


@pytest.mark.parametrize("state", ["objected_at", "restricted_at", "closing_at"])
def test_who_objects_while_events_wait_is_left_out(
    runtime: Runtime, ada: Account, clock: FixedClock, posthog: CaptureServer, state: str
) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs")
    runtime.events.write_now()
    assert sink_of(runtime).waiting > 0
    with runtime.database.write() as session:
        setattr(session.get_one(AccountRow, ada.id), state, clock.now())
    assert send(runtime) == 0 and posthog.requests == []
    assert sink_of(runtime).record.left_out > 0


def test_consent_changes_nothing_since_nothing_here_needs_it(
    runtime: Runtime, ada: Account, posthog: CaptureServer
) -> None:
    shapes = []
    for granted in (False, True):
        choose(runtime, ada.id, {"device_analytics": granted}, source="app")
        posthog.requests.clear()
        runtime.events.emit("page.viewed", ada.id, page="runs")
        send(runtime)
        shapes.append(
            [(each.keys(), each["properties"].keys()) for each in posthog.events if each["event"] == "page.viewed"]
        )
    assert shapes[0] == shapes[1] != []


def test_what_identifies_a_device_drops_the_event(runtime: Runtime, ada: Account, posthog: CaptureServer) -> None:
    from posthog import new_context, set_context_session

    with new_context():
        set_context_session("a-session-of-a-device")
        runtime.events.emit("page.viewed", ada.id, page="runs")
        assert send(runtime) == 0
    assert posthog.requests == [] and sink_of(runtime).record.left_out > 0


def test_without_a_key_there_is_no_sink_and_nothing_loads_the_sdk(runtime_with: Make) -> None:
    assert runtime_with().events.sink is None
    loads = "import sys, core.analytics.recording; sys.exit('posthog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0


def test_without_counting_nothing_is_sent(runtime_with: Make, posthog: CaptureServer) -> None:
    runtime = runtime_with(posthog_api_key=KEY, posthog_host=posthog.host, analytics=False)
    ada = create_account(runtime, email="ada@example.org", password=PASSWORD)
    runtime.events.emit("page.viewed", ada.id, page="runs")
    assert send(runtime) == 0 and posthog.requests == []


def test_a_redirect_is_not_followed(measured: Make) -> None:
    with capture_server() as elsewhere, capture_server(status=307, location=f"{elsewhere.host}/batch/") as posthog:
        runtime = measured(posthog.host)
        runtime.events.emit("page.viewed", None, page="runs")
        assert send(runtime) == 1
        assert posthog.requests and elsewhere.requests == []
        assert sink_of(runtime).record.failed == 1


def test_posthog_that_fails_loses_its_own_copy_only(measured: Make) -> None:
    with capture_server(status=500) as posthog:
        runtime = measured(posthog.host)
        runtime.events.emit("page.viewed", None, page="runs")
        assert send(runtime) == 1
        assert (len(posthog.requests), sink_of(runtime).record.failed, stored(runtime)) == (2, 1, 1)
        assert flush(runtime) == 1


def test_a_closed_port_loses_its_own_copy_only(measured: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        runtime = measured(f"http://127.0.0.1:{taken.getsockname()[1]}")
        runtime.events.emit("page.viewed", None, page="runs")
        assert send(runtime) == 1
    assert (sink_of(runtime).record.failed, stored(runtime)) == (1, 1)


def test_posthog_that_hangs_holds_up_neither_the_writer_nor_the_end(measured: Make) -> None:
    with capture_server(silent=True) as posthog:
        runtime = measured(posthog.host)
        for _ in range(3):
            runtime.events.emit("page.viewed", None, page="runs")
            began = time.perf_counter()
            runtime.events.write_now()
            sink_of(runtime).send_now()
            assert time.perf_counter() - began < 2.0  # the SDK is loaded the first time; nobody asks PostHog
        began = time.perf_counter()
        runtime.events.close()
        assert time.perf_counter() - began < 3.0
        assert stored(runtime) == 3


def test_the_end_of_a_process_sends_the_rest(runtime: Runtime, ada: Account, posthog: CaptureServer) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs")
    runtime.events.close()
    assert [each["event"] for each in posthog.events if each["event"] == "page.viewed"] == ["page.viewed"]
    runtime.events.close()


def test_what_has_no_room_is_left_out_and_counted(runtime: Runtime) -> None:
    sink = sink_of(runtime)
    sink.take([Pending("page.viewed", "2027-01-31T12", None, {"page": "runs"})] * (HELD + 5))
    assert (sink.waiting, sink.record.left_out) == (HELD, 5)
    sink.discard()


def test_events_go_at_a_full_ten_minutes(runtime: Runtime, clock: FixedClock) -> None:
    clock.moment = datetime(2027, 1, 31, 12, 7, 13, tzinfo=UTC)
    runtime.events.by_itself = True
    sink = sink_of(runtime)
    sink.take([Pending("page.viewed", "2027-01-31T12", None, {"page": "runs"})])
    timer: Any = sink._timer
    assert timer is not None and timer.interval == pytest.approx(167.0) and timer.daemon
    sink.discard()


def test_the_promise_looks_at_what_was_sent(runtime: Runtime, ada: Account) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs")
    send(runtime)
    found = check_promises(runtime, ["P05"])["P05"]
    assert found.verdict == "unknown"  # a stand-in on this machine
    assert found.figures["sent"] > 0 and found.figures["undeclared"] == 0 and found.figures["canary_dropped"] == 1
    sink_of(runtime)._note({"batch": [{"event": "page.viewed", "properties": {"email": "x"}}]}, 200)
    assert check_promises(runtime, ["P05"])["P05"].verdict == "broken"
