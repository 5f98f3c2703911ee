"""Each promise that is checked is seen kept, and seen broken by what breaks it; alarms are raised once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select, text, update

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import Account, SessionView
from core.accounts.queries import find_session
from core.analytics.commands import flush
from core.analytics.models import BatchRow, LakeFileRow
from core.credits.commands import set_credits
from core.execution.commands import start_run
from core.execution.models import EgressRow
from core.pipelines.commands import create_pipeline
from core.platform.jobs.commands import run_job
from core.platform.jobs.queries import find_due
from core.platform.mail.models import MailRow
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.checks import register
from core.privacy.checks.commands import check_by_hand, check_promises, forget_old_checks
from core.privacy.checks.finding import Finding, broken, kept, unknown
from core.privacy.checks.queries import checks_due, count_broken, history_of, latest_evidence
from core.privacy.policies.commands import publish, save_draft
from core.privacy.policies.notices import send_notices
from core.privacy.policies.queries import forget_versions, get_draft
from core.privacy.promises import PROMISES
from core.shared.errors import Forbidden, NotFound
from core.shared.money import MICROS
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.mail_sink import make_certificate

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
SAY = {"name": "Say", "version": 1, "steps": [{"id": "say", "type": "transform", "template": "x"}]}
EUROPE = {"region_host": "Paris, France", "region_database": "FR", "region_mail": "DE"}


pytestmark = pytest.mark.usefixtures("no_other_process")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **EUROPE, **database_settings)


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="free")


def found(runtime: Runtime, promise: str) -> Finding:
    return check_promises(runtime, [promise])[promise]


def verdict(runtime: Runtime, promise: str) -> str:
    return found(runtime, promise).verdict


def change(runtime: Runtime, statement: str, **values: object) -> None:
    with runtime.database.write() as session:
        session.execute(text(statement), values)


def admin(runtime: Runtime, name: str = "root") -> SessionView:
    create_account(runtime, email=f"{name}@example.org", password=PASSWORD, roles=("admin",))
    view = find_session(runtime, sign_in(runtime, email=f"{name}@example.org", password=PASSWORD).token)
    assert view is not None
    return view


def test_every_promise_has_a_check() -> None:
    together = [promise for group in register.TOGETHER for promise in group]
    assert sorted([*register.CHECKS, *together]) == list(PROMISES)


def test_rights_are_tried_once_somebody_has_an_account(runtime: Runtime, clock: FixedClock) -> None:
    assert verdict(runtime, "P15") == "unknown" and not checks_due(runtime, clock.now())
    admin(runtime)
    assert checks_due(runtime, clock.now())
    assert verdict(runtime, "P15") == "kept" and not checks_due(runtime, clock.now())


def test_an_installation_as_it_comes_breaks_no_promise(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock
) -> None:
    runtime = runtime_with(clock=clock, bcrypt_cost=12, **EUROPE, **database_settings)
    admin(runtime)
    results = check_promises(runtime)
    verdicts = {promise: finding.verdict for promise, finding in results.items()}
    assert "broken" not in verdicts.values(), {p: f.says for p, f in results.items() if f.verdict == "broken"}
    assert {promise for promise, said in verdicts.items() if said == "unknown"} == {"P12", "P23"}
    for finding in results.values():
        assert finding.says.endswith(".") and all(isinstance(v, int | float | str) for v in finding.figures.values())


def test_p01_an_undeclared_column_or_table(runtime: Runtime) -> None:
    assert verdict(runtime, "P01") == "kept"
    change(runtime, "ALTER TABLE accounts ADD COLUMN shoe_size INTEGER")
    assert found(runtime, "P01").figures["undeclared"] == 1 and verdict(runtime, "P01") == "broken"
    change(runtime, "ALTER TABLE accounts DROP COLUMN shoe_size")
    change(runtime, "CREATE TABLE shadow (id INTEGER)")
    assert verdict(runtime, "P01") == "broken"


def test_p02_a_hash_of_too_low_a_cost_or_none_at_all(runtime: Runtime, ada: Account) -> None:
    assert found(runtime, "P02").figures["weak"] == 1, "the tests' own cost is 4"
    strong = "$2b$12$" + "a" * 53
    change(runtime, "UPDATE accounts SET password_hash = :h WHERE id = :i", h=strong, i=ada.id)
    assert found(runtime, "P02").says == "1 password, each a bcrypt hash of cost 12 or more."
    change(runtime, "UPDATE accounts SET password_hash = :h WHERE id = :i", h=PASSWORD, i=ada.id)
    finding = found(runtime, "P02")
    assert finding.verdict == "broken" and finding.figures["not_bcrypt"] == 1 and PASSWORD not in finding.says


def test_p03_a_purpose_the_policy_does_not_name(runtime: Runtime) -> None:
    assert verdict(runtime, "P03") == "kept"
    change(
        runtime,
        "UPDATE policy_versions SET text = replace(text, :a, 'x')",
        a="To charge what you use and keep the books",
    )
    forget_versions(runtime)
    assert found(runtime, "P03").figures["not_in_policy"] == 1 and verdict(runtime, "P03") == "broken"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "kept"),
        ({"posthog_api_key": "phc_x"}, "kept"),
        ({"posthog_api_key": "phc_x", "posthog_host": "http://127.0.0.1:9"}, "unknown"),
        ({"posthog_api_key": "phc_x", "posthog_host": "https://us.i.posthog.com"}, "broken"),
    ],
)
def test_p05_measurements_that_go_elsewhere(sqlite_runtime: Runtime, settings: dict[str, str], expected: str) -> None:
    # The start is refused with a foreign address, so it can only be put in beside it.
    other = replace(sqlite_runtime, settings=sqlite_runtime.settings.model_copy(update=settings))
    assert verdict(other, "P05") == expected


def _say_instead(runtime: Runtime, old: str, new: str) -> None:
    """Alter the events that wait."""
    with runtime.database.write() as session:
        for row in session.scalars(select(BatchRow)):
            row.events = row.events.replace(old, new)


def test_p04_a_value_or_a_column_that_nobody_declared_or_an_old_key(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs")
    runtime.events.write_now()
    assert found(runtime, "P04").figures["events"] == 3 and verdict(runtime, "P04") == "kept"
    for said in ('"diary":"runs"', '"page":"ada@example.org"'):
        _say_instead(runtime, '"page":"runs"', said)
        assert verdict(runtime, "P04") == "broken"
        _say_instead(runtime, said, '"page":"runs"')
        assert verdict(runtime, "P04") == "kept"
    _say_instead(runtime, '"page":"runs"', said)
    flush(runtime)
    assert verdict(runtime, "P04") == "broken", "it is found in the lake as well"
    assert "example.org" not in found(runtime, "P04").says
    with runtime.database.write() as session:
        session.execute(update(LakeFileRow).values(gone=True))
    assert verdict(runtime, "P04") == "kept"
    clock.advance(hours=49)
    assert verdict(runtime, "P04") == "broken"


def test_p06_a_column_for_card_numbers(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import Column, MetaData, String, Table

    from core.privacy.checks import services

    assert verdict(sqlite_runtime, "P06") == "kept"
    cards = Table("cards", MetaData(), Column("card_number", String))
    monkeypatch.setattr(services, "find_table", lambda _name: cards)
    assert verdict(sqlite_runtime, "P06") == "broken"


def test_p07_a_departure_to_somebody_else(runtime: Runtime, ada: Account) -> None:
    calls = {"name": "Calls", "steps": [{"id": "call", "type": "webhook", "url": "https://ok.example/x"}]}
    run = start_run(runtime, ada, create_pipeline(runtime, ada, calls).id, {})
    with runtime.database.write() as session:
        row = EgressRow(
            id=runtime.ids.new(), owner_id=ada.id, run_id=run.id, step_id="call", kind="webhook", purpose="step",
            recipient="ok.example", outcome="answered", size=1, at=NOW - timedelta(hours=1),
        )  # fmt: skip
        session.add(row)
    assert found(runtime, "P07").figures == {"departures": 1, "run_gone": 0, "not_named": 0}
    change(runtime, "UPDATE egress SET recipient = 'evil.example'")
    finding = found(runtime, "P07")
    assert finding.verdict == "broken" and "evil.example" not in finding.says


def test_p08_terms_that_are_old_or_missing(runtime_with: Callable[..., Runtime], clock: FixedClock) -> None:
    assert found(runtime_with(), "P08").figures["providers"] == 0
    used = runtime_with(clock=clock, anthropic_api_key="sk-ant-x")
    assert verdict(used, "P08") == "kept"
    clock.moment = datetime(2027, 6, 1, tzinfo=UTC)
    assert found(used, "P08").figures["old"] == 1 and verdict(used, "P08") == "broken"
    partner = {"name": "local", "base_url": "http://127.0.0.1:9", "models": ("llama-3.3-70b",), "region": "US"}
    finding = found(runtime_with(clock=FixedClock(NOW), llama_partners=(partner,)), "P08")
    assert finding.verdict == "broken"
    assert {name: finding.figures[name] for name in ("undated", "no_link", "no_safeguard")} == {
        "undated": 1, "no_link": 1, "no_safeguard": 1,
    }  # fmt: skip


def test_p09_a_detector_that_sees_less(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.shared.personal_data import samples

    assert found(sqlite_runtime, "P09").figures["wrong"] == 0
    monkeypatch.setattr(samples, "find", lambda _text: ())
    finding = found(sqlite_runtime, "P09")
    assert finding.verdict == "broken" and "@" not in finding.says


def test_p10_an_entry_of_the_ledger_that_was_altered(runtime: Runtime, ada: Account) -> None:
    set_credits(runtime, ada, micros=5 * MICROS)
    assert found(runtime, "P10").figures["problems"] == 0
    change(runtime, "UPDATE ledger_entries SET amount_micros = amount_micros + 1")
    assert verdict(runtime, "P10") == "broken"


def test_p11_a_mail_that_is_late(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    with runtime.database.write() as session:
        values = {"when": "now", "security_url": runtime.settings.public_url + "/app/profile"}
        enqueue_mail(
            runtime, session, kind="second_factor_on", to=ada.email, values=values, cause="x", account_id=ada.id
        )
    assert verdict(runtime, "P11") == "kept"
    clock.advance(minutes=61)
    assert found(runtime, "P11").figures["late"] == 1 and verdict(runtime, "P11") == "broken"


def test_p11_a_usage_alert_that_was_not_written(runtime: Runtime, ada: Account) -> None:
    set_credits(runtime, ada, micros=MICROS)
    change(
        runtime,
        "UPDATE credit_accounts SET month_began_micros = 0, spent_micros = 60, month_granted_micros = 100, "
        "month_plan = 'free', month_ends_at = :e",
        e=NOW + timedelta(days=9) if not runtime.database.is_sqlite else "2026-12-04 10:00:00.000000",
    )
    finding = found(runtime, "P11")
    assert finding.verdict == "broken" and finding.figures["alerts_missing"] == 1
    with runtime.database.write() as session:
        values = {"percent": "50", "used": "1", "granted": "2", "renews": "x"}
        values["usage_url"] = runtime.settings.public_url + "/app/usage"
        cause = f"usage_alert:{ada.id}:free:2026-12-04:50"
        enqueue_mail(runtime, session, kind="usage_alert", to=ada.email, values=values, cause=cause, account_id=ada.id)
    assert verdict(runtime, "P11") == "kept"


class Answering(BaseHTTPRequestHandler):
    cookie: str | None = None
    hsts: str | None = None

    def do_GET(self) -> None:
        self.send_response(200)
        if self.hsts:
            self.send_header("Strict-Transport-Security", self.hsts)
        if self.cookie:
            self.send_header("Set-Cookie", self.cookie)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[int]:
    """A server of loopback that sets the cookie it is told to."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    Answering.cookie = None


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (None, "kept"),
        ("stepiq_form=a; HttpOnly; Path=/; SameSite=lax", "kept"),
        ("stepiq_form=a; Path=/; SameSite=lax", "broken"),
        ("_ga=GA1; HttpOnly; SameSite=Lax", "broken"),
        ("stepiq_choice=yes; HttpOnly; SameSite=Lax", "broken"),
    ],
)
def test_p12_a_cookie_that_is_not_needed(
    runtime_with: Callable[..., Runtime], answering: int, cookie: str | None, expected: str
) -> None:
    Answering.cookie = cookie
    assert verdict(runtime_with(port=answering), "P12") == expected


def test_p13_a_row_of_an_account_that_is_gone(runtime: Runtime, ada: Account) -> None:
    with runtime.database.write() as session:
        values = {"when": "now", "security_url": runtime.settings.public_url + "/app/profile"}
        enqueue_mail(
            runtime, session, kind="second_factor_on", to=ada.email, values=values, cause="x", account_id=ada.id
        )
    assert verdict(runtime, "P13") == "kept"
    change(runtime, "UPDATE mail_outbox SET account_id = 'nobody'")
    assert found(runtime, "P13").figures["left"] == 1 and verdict(runtime, "P13") == "broken"


def test_p14_a_run_that_is_kept_too_long(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    start_run(runtime, ada, create_pipeline(runtime, ada, SAY).id, {})
    change(runtime, "UPDATE runs SET status = 'completed'")
    clock.advance(days=91)
    assert found(runtime, "P14").figures["oldest_days_free"] == 91 and verdict(runtime, "P14") == "kept"
    clock.advance(days=2)
    assert verdict(runtime, "P14") == "broken"
    change(runtime, "UPDATE accounts SET plan = 'pro' WHERE id = :i", i=ada.id)
    assert verdict(runtime, "P14") == "kept", "a paid plan keeps them for a year"


def test_p22_a_request_past_its_day(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    view = find_session(runtime, sign_in(runtime, email=ada.email, password=PASSWORD).token)
    assert view is not None
    ask(runtime, view, "erasure")
    clock.advance(days=29)
    assert found(runtime, "P22").figures["open"] == 1 and verdict(runtime, "P22") == "kept"
    clock.advance(days=2)
    assert found(runtime, "P22").figures["overdue"] == 1 and verdict(runtime, "P22") == "broken"


def test_p23_plain_http_in_production(sqlite_runtime: Runtime) -> None:
    assert verdict(sqlite_runtime, "P23") == "unknown"
    # The start refuses it, so it can only be put in beside it.
    careless = sqlite_runtime.settings.model_copy(update={"env": "production", "app_url": "http://stepiq.example"})
    assert verdict(replace(sqlite_runtime, settings=careless), "P23") == "broken"


@pytest.mark.parametrize(
    ("hsts", "cookie", "trusted", "expected"),
    [
        ("max-age=31536000", "stepiq_form=a; HttpOnly; Secure", True, "kept"),
        (None, None, True, "broken"),
        ("max-age=31536000", "stepiq_form=a; HttpOnly", True, "broken"),
        ("max-age=31536000", None, False, "unknown"),
    ],
)
def test_p23_a_public_address_over_tls(
    runtime_with: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hsts: str | None,
    cookie: str | None,
    trusted: bool,
    expected: str,
) -> None:
    context, _ = make_certificate(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    if trusted:
        monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "127.0.0.1.pem"))
    monkeypatch.setattr(Answering, "hsts", hsts)
    monkeypatch.setattr(Answering, "cookie", cookie)
    try:
        assert verdict(runtime_with(app_url=f"https://127.0.0.1:{server.server_port}"), "P23") == expected
    finally:
        server.shutdown()


def test_p24_a_secret_that_does_not_open(runtime: Runtime, ada: Account) -> None:
    set_secret(runtime, ada.id, "TOKEN", "a secret value")
    assert found(runtime, "P24").figures == {"secrets": 1, "not_open": 0, "not_aes_256_gcm": 0}
    change(runtime, "UPDATE secrets SET algorithm = 'ROT13'")
    assert verdict(runtime, "P24") == "broken"
    change(runtime, "UPDATE secrets SET algorithm = 'AES-256-GCM', value = :v", v=b"\x03" + b"x" * 60)
    assert found(runtime, "P24").figures["not_open"] == 1 and verdict(runtime, "P24") == "broken"


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ({}, "unknown"),
        (EUROPE, "kept"),
        ({**EUROPE, "region_storage": "us-east-1"}, "broken"),
        ({**EUROPE, "region_host": "Zurich, Switzerland"}, "broken"),
        ({**EUROPE, "region_mail": "somewhere"}, "unknown"),
    ],
)
def test_p25_a_region_outside_the_eea(
    runtime_with: Callable[..., Runtime], regions: dict[str, str], expected: str
) -> None:
    assert verdict(runtime_with(**regions), "P25") == expected


def test_p26_somebody_who_was_not_told(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    by = admin(runtime)
    draft = get_draft(runtime, "privacy")
    saved = save_draft(
        runtime, by, "privacy", text=draft.text + "\n\nMore.", summary="More.", material=True,
        effective_on=date(2026, 12, 20), revision=0,
    )  # fmt: skip
    publish(runtime, by, "privacy", revision=saved.revision)
    send_notices(runtime)
    clock.advance(days=30)
    assert found(runtime, "P26").figures == {"versions": 1, "told": 2, "not_told": 0}
    create_account(runtime, email="later@example.org", password=PASSWORD)
    assert verdict(runtime, "P26") == "kept", "who comes later needs no telling"
    change(runtime, "DELETE FROM policy_notices WHERE account_id = :i", i=ada.id)
    assert found(runtime, "P26").figures["not_told"] == 1 and verdict(runtime, "P26") == "broken"
    row = "INSERT INTO policy_notices (account_id, version_id, mailed_at) SELECT :i, id, effective_at"
    change(runtime, row + " FROM policy_versions WHERE NOT shipped", i=ada.id)
    assert verdict(runtime, "P26") == "broken", "told on the day itself is too late"


def test_p27_a_recipient_outside_europe_without_a_safeguard(runtime_with: Callable[..., Runtime]) -> None:
    assert verdict(runtime_with(), "P27") == "unknown", "nobody said where the mail server is"
    partner = {"name": "far", "base_url": "http://127.0.0.1:9", "models": ("llama-3.3-70b",), "region": "US"}
    clauses = {**partner, "safeguard": "standard contractual clauses"}
    assert verdict(runtime_with(llama_partners=(partner,), **EUROPE), "P27") == "broken"
    assert verdict(runtime_with(llama_partners=(clauses,), **EUROPE), "P27") == "kept"


def mails_to_admins(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        rows = session.query(MailRow).filter(MailRow.kind == "promise_broken").order_by(MailRow.id)
        return [row.account_id or "" for row in rows]


def test_admins_are_told_once_until_it_is_kept_again(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, second = admin(runtime), admin(runtime, "second")
    findings = iter((kept("Good."), broken("Bad.", wrong=1), broken("Bad.", wrong=2), unknown("Away."), broken("Bad.")))
    monkeypatch.setitem(register.CHECKS, "P10", lambda _runtime: next(findings))
    told = []
    for _ in range(5):
        check_promises(runtime, ["P10"])
        told.append(len(mails_to_admins(runtime)))
        clock.advance(hours=1)
    assert told == [0, 2, 2, 2, 2] and set(mails_to_admins(runtime)) == {root.account.id, second.account.id}
    assert count_broken(runtime) == 1
    evidence = {each.promise.id: each for each in latest_evidence(runtime)}["P10"]
    assert evidence.broken_since == NOW + timedelta(hours=1) and evidence.checked_at == NOW + timedelta(hours=4)
    assert [each.finding.verdict for each in history_of(runtime, "P10") if each.finding] == [
        "broken", "unknown", "broken", "broken", "kept",
    ]  # fmt: skip
    monkeypatch.setitem(register.CHECKS, "P10", lambda _runtime: kept("Good."))
    check_promises(runtime, ["P10"])
    assert count_broken(runtime) == 0
    monkeypatch.setitem(register.CHECKS, "P10", lambda _runtime: broken("Bad."))
    check_promises(runtime, ["P10"])
    assert len(mails_to_admins(runtime)) == 4, "told anew"


def test_a_check_that_fails_claims_nothing(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_runtime: Runtime) -> Finding:
        raise RuntimeError("ada@example.org")

    monkeypatch.setitem(register.CHECKS, "P10", fails)
    finding = found(sqlite_runtime, "P10")
    assert finding.verdict == "unknown" and "ada@" not in finding.says


def test_the_first_start_looks_at_them_and_every_night_does(runtime: Runtime, clock: FixedClock) -> None:
    assert all(each.finding is None for each in latest_evidence(runtime))
    for _ in range(2):
        due = {each.job.name: each for each in find_due(runtime, JOBS)}["promise_checks"]
        done = run_job(runtime, due.job, due.scheduled_for)
        assert done is not None and done.done == 27 and done.error_code is None
        assert "promise_checks" not in {each.job.name for each in find_due(runtime, JOBS)}
        clock.advance(days=1)
    assert all(each.finding is not None for each in latest_evidence(runtime))
    assert forget_old_checks(runtime, before=clock.now() - timedelta(hours=30)) == 27
    assert len(history_of(runtime, "P01")) == 1


def test_only_admins_check_by_hand_and_only_what_there_is(runtime: Runtime, ada: Account) -> None:
    eve = find_session(runtime, sign_in(runtime, email=ada.email, password=PASSWORD).token)
    assert eve is not None
    with pytest.raises(Forbidden):
        check_by_hand(runtime, eve, ["P01"])
    assert check_by_hand(runtime, admin(runtime), ["p01"])["P01"].verdict == "kept"
    with pytest.raises(NotFound, match="P01 to P27"):
        check_promises(runtime, ["P99"])


def test_nothing_personal_is_kept_of_a_check(runtime: Runtime, ada: Account) -> None:
    set_secret(runtime, ada.id, "TOKEN", "a secret value")
    check_promises(runtime)
    with runtime.database.read() as session:
        rows = session.execute(text("SELECT says, figures FROM promise_checks")).all()
    stored = json.dumps([list(row) for row in rows])
    for value in (ada.id, ada.email, "TOKEN", "a secret value", str(runtime.settings.data_dir)):
        assert value not in stored
