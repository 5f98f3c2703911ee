"""Every address of the API and the site, for everybody: anonymous, another person, an admin, a key, the owner.

The tables below name each address there is. One that is added without a line here fails the first test: somebody has
to say who may use it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key, delete_api_key, list_api_keys
from core.accounts.authentication import sign_in
from core.accounts.automation import resume_automation
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import ROLES, SCOPES, Account
from core.accounts.passwords import set_password
from core.accounts.queries import find_account, find_session
from core.platform.ratelimits import forget_tries
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.commands import withdraw
from core.privacy.queries import list_requests
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN
from tests.support.routes import api_operations, site_operations
from web.middleware import build_middleware
from web.routes import build_routes

PUBLIC = "public"
SESSION = "session"  # a person's own token; no key may do it
ROLE = "role"  # the token of an admin, or of who does the accounts
METRICS = "metrics"  # METRICS_TOKEN, which is nobody's
READ, WRITE, EXECUTE, TRIGGER = SCOPES

API: dict[tuple[str, str], str] = {
    ("GET", "/health"): PUBLIC,
    ("GET", "/ready"): PUBLIC,
    ("GET", "/metrics"): METRICS,
    ("GET", "/models"): PUBLIC,
    ("GET", "/price-books/{version}"): PUBLIC,
    ("GET", "/schema/pipeline.json"): PUBLIC,
    ("POST", "/auth/login"): PUBLIC,
    ("POST", "/auth/register"): PUBLIC,
    ("POST", "/auth/register/request-code"): PUBLIC,
    ("POST", "/auth/forgot-password"): PUBLIC,
    ("POST", "/auth/reset-password"): PUBLIC,
    ("POST", "/auth/refresh"): SESSION,
    ("POST", "/auth/logout"): SESSION,
    ("POST", "/auth/logout-everywhere"): SESSION,
    ("GET", "/user/me"): SESSION,
    ("PATCH", "/user/me"): SESSION,
    ("POST", "/user/password"): SESSION,
    ("GET", "/user/sessions"): SESSION,
    ("DELETE", "/user/sessions/{session_id}"): SESSION,
    ("GET", "/user/usage"): SESSION,
    ("GET", "/user/ledger"): SESSION,
    ("GET", "/user/statement"): SESSION,
    ("GET", "/user/egress"): SESSION,
    ("GET", "/user/egress/export"): SESSION,
    ("GET", "/pipelines/{pipeline_id}/personal-data"): READ,
    ("PUT", "/pipelines/{pipeline_id}/personal-data"): SESSION,
    ("GET", "/user/api-keys"): SESSION,
    ("POST", "/user/api-keys"): SESSION,
    ("DELETE", "/user/api-keys/{key_id}"): SESSION,
    ("PATCH", "/user/api-keys/{key_id}"): SESSION,
    ("GET", "/user/automation"): SESSION,
    ("POST", "/user/automation/pause"): SESSION,
    ("POST", "/user/automation/resume"): SESSION,
    ("POST", "/billing/checkout"): SESSION,
    ("POST", "/billing/portal"): SESSION,
    ("POST", "/billing/stripe/webhook"): PUBLIC,  # for who can sign as Stripe
    ("GET", "/billing/discount-codes"): ROLE,
    ("POST", "/billing/discount-codes"): ROLE,
    ("DELETE", "/billing/discount-codes/{code_id}"): ROLE,
    ("GET", "/privacy/consent"): SESSION,
    ("GET", "/privacy/requests/{request_id}/download"): SESSION,
    ("PUT", "/privacy/consent"): SESSION,
    ("GET", "/privacy/requests"): SESSION,
    ("POST", "/privacy/requests"): SESSION,
    ("GET", "/privacy/requests/{request_id}"): SESSION,
    ("POST", "/privacy/requests/{request_id}/withdraw"): SESSION,
    ("POST", "/privacy/requests/{request_id}/begin"): SESSION,
    ("GET", "/privacy/requests/{request_id}/answer"): SESSION,
    ("GET", "/user/secrets"): SESSION,
    ("POST", "/user/secrets"): SESSION,
    ("DELETE", "/user/secrets/{name}"): SESSION,
    ("GET", "/pipelines/{pipeline_id}/secrets"): SESSION,
    ("POST", "/pipelines/{pipeline_id}/secrets"): SESSION,
    ("DELETE", "/pipelines/{pipeline_id}/secrets/{name}"): SESSION,
    ("GET", "/pipelines"): READ,
    ("GET", "/pipelines/{pipeline_id}"): READ,
    ("GET", "/pipelines/{pipeline_id}/versions"): READ,
    ("GET", "/pipelines/{pipeline_id}/versions/{number}"): READ,
    ("GET", "/pipelines/{pipeline_id}/export"): READ,
    ("GET", "/pipelines/{pipeline_id}/schedules"): READ,
    ("POST", "/pipelines/{pipeline_id}/estimate"): READ,
    ("POST", "/pipelines/validate"): READ,
    ("GET", "/runs"): READ,
    ("GET", "/runs/export"): READ,
    ("GET", "/runs/{run_id}"): READ,
    ("GET", "/runs/{run_id}/stream"): READ,
    ("GET", "/reviews"): READ,
    ("GET", "/schedules/upcoming"): READ,
    ("GET", "/files"): READ,
    ("GET", "/files/{file_id}"): READ,
    ("POST", "/pipelines"): WRITE,
    ("PUT", "/pipelines/{pipeline_id}"): WRITE,
    ("DELETE", "/pipelines/{pipeline_id}"): WRITE,
    ("POST", "/pipelines/{pipeline_id}/restore"): WRITE,
    ("POST", "/pipelines/{pipeline_id}/schedules"): EXECUTE,
    ("PUT", "/schedules/{schedule_id}"): EXECUTE,
    ("DELETE", "/schedules/{schedule_id}"): EXECUTE,
    ("POST", "/schedules/{schedule_id}/enable"): EXECUTE,
    ("POST", "/schedules/{schedule_id}/disable"): EXECUTE,
    ("POST", "/pipelines/{pipeline_id}/run"): EXECUTE,
    ("POST", "/runs/{run_id}/cancel"): EXECUTE,
    ("POST", "/runs/{run_id}/retry"): EXECUTE,
    ("POST", "/runs/{run_id}/resume"): EXECUTE,
    ("POST", "/runs/{run_id}/reviews/{step_id}"): EXECUTE,
    ("POST", "/files"): EXECUTE,
    ("DELETE", "/files/{file_id}"): EXECUTE,
    ("POST", "/webhooks/{pipeline_id}"): TRIGGER,
}

LOGIN = "/auth/login"
SITE: dict[tuple[str, str], str] = {
    # What anybody may open. Links count for who holds them, and are tested where they are made.
    **dict.fromkeys(
        [
            ("GET", path)
            for path in (
                "/", "/app", "/privacy", "/favicon.ico", "/robots.txt", "/setup", "/auth/login", "/auth/register",
                "/auth/forgot", "/auth/reset", "/auth/address/confirm", "/auth/address/undo", "/review/{token}",
                "/privacy/choices", "/privacy/policy", "/privacy/policy/versions", "/privacy/policy/{version}",
                "/privacy/policy/{version}/changes", "/terms", "/terms/versions", "/terms/{version}",
                "/terms/{version}/changes",
                "/privacy/request", "/privacy/confirm", "/privacy/copy",
            )
        ],
        PUBLIC,
    ),
    **dict.fromkeys(
        [
            ("POST", path)
            for path in (
                "/setup", "/auth/login", "/auth/login/code", "/auth/register", "/auth/register/finish", "/auth/forgot",
                "/auth/reset", "/auth/address/confirm", "/auth/address/undo", "/review/{token}", "/auth/logout",
                "/privacy/choices",
                "/privacy/request", "/privacy/confirm", "/privacy/copy",
            )
        ],
        PUBLIC,
    ),
    **dict.fromkeys(
        [
            (method, path)
            for path in ("/auth/address", "/auth/confirm", "/auth/password", "/auth/second-factor")
            for method in ("GET", "POST")
        ],
        SESSION,
    ),
    ("GET", "/auth/logout"): SESSION,
}  # fmt: skip

DEFINITION: dict[str, Any] = {
    "name": "Asked",
    "version": 1,
    "steps": [{"id": "look", "type": "human_review", "message": "Is this right?"}],
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/pipelines"): DEFINITION,
    ("POST", "/pipelines/validate"): DEFINITION,
    ("PUT", "/pipelines/{pipeline_id}"): {"description": "Changed"},
    ("POST", "/pipelines/{pipeline_id}/secrets"): {"name": "EVIL", "value": "something"},
    ("POST", "/user/secrets"): {"name": "EVIL", "value": "something"},
    ("POST", "/pipelines/{pipeline_id}/schedules"): {"name": "Nightly", "cron_expression": "0 3 * * *"},
    ("PUT", "/schedules/{schedule_id}"): {"name": "Changed"},
    ("POST", "/runs/{run_id}/reviews/{step_id}"): {"decision": "approve"},
    ("POST", "/user/api-keys"): {"name": "One more", "scopes": [READ]},
    ("POST", "/user/password"): {"current_password": PASSWORD, "password": "seven purple submarines"},
    ("PATCH", "/user/me"): {"name": "Changed"},
    ("PUT", "/privacy/consent"): {"product_news": True},
    ("PUT", "/pipelines/{pipeline_id}/personal-data"): {"mode": "off"},
    ("POST", "/billing/checkout"): {"plan": "pro"},
    ("POST", "/billing/discount-codes"): {"code": "EVIL", "percent": 100},
    ("PATCH", "/user/api-keys/{key_id}"): {"max_credits_per_month": 5},
    ("POST", "/privacy/requests"): {"right": "objection"},
}
NOT_YET = {("GET", "/privacy/requests/{request_id}/download")}  # there is a copy only when it was made


@dataclass
class People:
    """Ada owns everything; Eve has an account; Root is an admin."""

    runtime: Runtime
    client: TestClient
    ada: Account
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **headers: str) -> Any:
        """Send a request that would do something, were it allowed."""
        body = BODIES.get((method, path), {})
        url = "/api" + path.format(**self.ids)
        if (method, path) == ("POST", "/files"):
            return self.client.post(url, headers=headers, files={"file": ("a.txt", b"hello", "text/plain")})
        return self.client.request(method, url, headers=headers, json=None if method == "GET" else body)

    def as_person(self, who: str, method: str, path: str) -> Any:
        return self.ask(method, path, Authorization=f"Bearer {self.tokens[who]}")

    def renew(self) -> None:
        """Everybody signed in, and Ada with one of each thing: what was asked before may have ended some."""
        resume_automation(self.runtime, self.ada.id)
        set_password(self.runtime, email=self.ada.email, password=PASSWORD)
        for who in ("ada", "eve", "root"):
            email = f"{who}@example.org"
            self.tokens[who] = sign_in(self.runtime, email=email, password=PASSWORD).token
        mine = {"Authorization": f"Bearer {self.tokens['ada']}"}

        def made(path: str, body: Any) -> str:
            answer = self.client.post("/api" + path, headers=mine, json=body)
            assert answer.status_code < 300, (path, answer.text)
            return str(answer.json()["id"])

        pipeline = made("/pipelines", DEFINITION)
        run = made(f"/pipelines/{pipeline}/run", {})
        schedule = made(f"/pipelines/{pipeline}/schedules", BODIES["POST", "/pipelines/{pipeline_id}/schedules"])
        file = self.client.post("/api/files", headers=mine, files={"file": ("a.txt", b"mine", "text/plain")})
        for scope in (None, pipeline):
            set_secret(self.runtime, self.ada.id, "MINE", "a secret value", pipeline_id=scope)
        for old in list_api_keys(self.runtime, self.ada.id):
            delete_api_key(self.runtime, self.ada.id, old.id)
        keys = {scope: create_api_key(self.runtime, self.ada, scope, [scope]) for scope in SCOPES}
        sign_in(self.runtime, email=self.ada.email, password=PASSWORD)
        sessions = self.client.get("/api/user/sessions", headers=mine).json()["items"]
        view = find_session(self.runtime, self.tokens["ada"])
        assert view is not None
        forget_tries(self.runtime, "privacy-request", self.ada.id)
        for open_one in list_requests(self.runtime, self.ada.id, 100).items:
            if open_one.can_withdraw:
                withdraw(self.runtime, view, open_one.id)
        self.keys = {scope: key.key for scope, key in keys.items()}
        self.ids = {
            "pipeline_id": pipeline,
            "run_id": run,
            "schedule_id": schedule,
            "file_id": file.json()["id"],
            "step_id": "look",
            "number": "1",
            "version": "current",
            "request_id": ask(self.runtime, view, "access").id,
            "name": "MINE",
            "key_id": keys[READ].view.id,
            "code_id": "01a1f0c5-0000-7d6a-8c17-e3b5a0f7d941",
            "session_id": next(item["id"] for item in sessions if not item["current"]),
        }


@pytest.fixture
def people(web_runtime: Runtime) -> Iterator[People]:
    app = Starlette(routes=build_routes(web_runtime), middleware=build_middleware(web_runtime))
    web_runtime.dispatcher.start()
    ada = create_account(web_runtime, email="ada@example.org", password=PASSWORD)
    create_account(web_runtime, email="eve@example.org", password=PASSWORD)
    create_account(web_runtime, email="root@example.org", password=PASSWORD, roles=ROLES)
    # From this machine, as behind a proxy without a name: guesses of one address are not counted there.
    with TestClient(app, base_url=ORIGIN, follow_redirects=False, client=("127.0.0.1", 50000)) as client:
        made = People(web_runtime, client, ada)
        made.renew()
        yield made


def test_every_address_is_in_the_tables(web_runtime: Runtime) -> None:
    assert set(API) == set(api_operations(web_runtime))
    # The mails of development are shown on this machine only, and this installation has another name.
    assert set(SITE) == set(site_operations(web_runtime))


def test_every_operation_is_documented_with_its_answers(web_runtime: Runtime, client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert documented == set(API)
    for (method, path), who in API.items():
        operation = paths[path][method.lower()]
        assert operation.get("summary") and operation.get("description"), (method, path)
        assert who == PUBLIC or "401" in operation["responses"], (method, path)
        assert who in (PUBLIC, SESSION, METRICS) or "403" in operation["responses"], (method, path)
        assert "{" not in path or path.startswith("/schema") or "404" in operation["responses"], (method, path)


def test_the_anonymous_are_asked_to_sign_in(people: People) -> None:
    wrong = ({}, {"Authorization": "Bearer x"}, {"X-API-Key": "sk_live_x"}, {"Authorization": "Basic YTpi"})
    for method, path in (op for op, who in API.items() if who != PUBLIC):
        for headers in wrong:
            answer = people.ask(method, path, **headers)
            assert answer.status_code == 401 and answer.json()["code"] == "UNAUTHENTICATED", (method, path, headers)


@pytest.mark.parametrize("who", ["eve", "root"])
def test_what_is_somebody_elses_does_not_exist(people: People, who: str) -> None:
    account = find_account(people.runtime, f"{who}@example.org")
    assert account is not None
    key = create_api_key(people.runtime, account, "Theirs", [TRIGGER]).key
    asked = 0
    for (method, path), needed in API.items():
        if "{" not in path or needed in (PUBLIC, ROLE):
            continue
        if path == "/webhooks/{pipeline_id}":
            answer = people.ask(method, path, **{"X-API-Key": key})
        else:
            answer = people.as_person(who, method, path)
        assert answer.status_code == 404, (method, path, answer.text)
        assert not any(value in answer.text for value in people.ids.values() if len(value) > 8), (method, path)
        asked += 1
    assert asked >= 25
    run = people.as_person("ada", "GET", "/runs/{run_id}").json()
    assert run["status"] in ("pending", "running", "waiting"), "and nothing of it was done"


LISTS = (
    "/privacy/requests",
    "/pipelines",
    "/runs",
    "/reviews",
    "/schedules/upcoming",
    "/files",
    "/user/api-keys",
    "/user/secrets",
)


@pytest.mark.parametrize("who", ["eve", "root"])
def test_no_list_holds_what_is_somebody_elses(people: People, who: str) -> None:
    for path in (*LISTS, "/user/ledger", "/user/sessions", "/user/me"):
        answer = people.as_person(who, "GET", path)
        assert answer.status_code == 200
        for name, value in people.ids.items():
            assert name in ("number", "version", "step_id", "name") or value not in answer.text, (path, name)
    assert people.as_person("ada", "GET", "/runs").json()["items"], "Ada sees her own"


def test_the_owner_may(people: People) -> None:
    for method, path in (op for op, who in API.items() if who not in (PUBLIC, TRIGGER, ROLE, METRICS)):
        if path.endswith("/stream"):
            people.as_person("ada", "POST", "/runs/{run_id}/cancel")  # a run that waits streams for ever
        answer = people.as_person("ada", method, path)
        refused = (401, 403, 500) if (method, path) in NOT_YET else (401, 403, 404, 500)
        assert answer.status_code not in refused, (method, path, answer.text)
        if method != "GET":
            people.renew()


def test_what_needs_a_role_needs_it(people: People) -> None:
    for method, path in (op for op, who in API.items() if who == ROLE):
        for who in ("ada", "eve"):
            answer = people.as_person(who, method, path)
            assert answer.status_code == 403 and answer.json()["code"] == "NOT_ACCOUNTING", (method, path)
        answer = people.as_person("root", method, path)
        assert answer.status_code not in (401, 403, 500), (method, path, answer.text)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_may_what_its_scope_says_and_nothing_else(people: People, scope: str) -> None:
    for (method, path), needed in API.items():
        if needed == PUBLIC:
            continue
        if path.endswith("/stream"):
            people.as_person("ada", "POST", "/runs/{run_id}/cancel")
        answer = people.ask(method, path, **{"X-API-Key": people.keys[scope]})
        if needed in (SESSION, ROLE, METRICS):
            assert answer.status_code == 401, (method, path, answer.text)
        elif scope == needed:
            assert answer.status_code not in (401, 403, 404, 500), (method, path, answer.text)
        else:
            assert answer.status_code == 403 and answer.json()["code"] == "SCOPE", (method, path, answer.text)
        if scope == needed and method != "GET":
            people.renew()


def test_pages_of_a_person_lead_the_anonymous_to_signing_in(people: People) -> None:
    pages = [op for op, who in SITE.items() if who == SESSION]
    for method, path in pages:
        answer = people.client.request(method, path, data={} if method == "POST" else None)
        assert answer.status_code == 303 and answer.headers["location"].startswith(LOGIN), (method, path)
    people.client.cookies.set("stepiq_session", people.tokens["ada"])
    for _, path in pages:
        shown = people.client.get(path)
        assert shown.status_code == 200 or (path == "/auth/confirm" and shown.headers["location"] == "/app/profile")


def test_public_pages_ask_for_nobody(people: People) -> None:
    for method, path in (op for op, who in SITE.items() if who == PUBLIC and op[1] != "/app"):
        answer = people.client.request(
            method, path.format(token="x" * 43, version="2026-02-25"), data={} if method == "POST" else None
        )
        assert answer.status_code in (200, 303, 307, 403, 404), (method, path)
        assert not answer.headers.get("location", "").startswith(LOGIN + "?"), (method, path)
