"""The table of routes as it stands: statuses, the names of fields, and what is promised of answers in general.

Not there yet: `privacy/*`, `metrics`. `billing/*` is in tests/integration/payments/test_billing_api.py.
"""

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.platform.runtime import Runtime
from core.platform.signatures import sign
from tests.conftest import PASSWORD
from tests.contract.conftest import ORIGIN, Ask
from tests.contract.test_marks import FAILS, HELLO, INPUT, TALKS, ended
from tests.support.letters import code_in, last_letter, token_in
from tests.support.vendor_stub import StubServer
from web.middleware import build_middleware
from web.routes import build_routes

RUN = {
    "id", "pipeline_id", "pipeline_version", "trigger_type", "status", "funding_mode", "input_data", "output_data",
    "error", "total_tokens", "total_cost_cents", "credits_quoted", "credits_deducted", "started_at", "completed_at",
    "created_at", "steps",
}  # fmt: skip
STEP = {
    "step_id", "step_index", "type", "model", "provider", "status", "prompt_sent", "raw_output", "parsed_output",
    "input_tokens", "output_tokens", "cost_cents", "credits", "duration_ms", "retry_count", "stop_reason", "error",
    "started_at", "completed_at",
}  # fmt: skip
USAGE = {"credits_used", "credits_remaining", "runs_today", "total_cost_cents"}
SCHEDULE: dict[str, Any] = {"name": "Nightly", "cron_expression": "0 3 * * *", "timezone": "Europe/Paris", **INPUT}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NEW = "new@example.org"


def test_a_run_and_its_steps_have_exactly_these_fields(api: TestClient, ask: Ask) -> None:
    pipeline = ask(201, "POST", "/pipelines", TALKS)["id"]
    accepted = ask(202, "POST", f"/pipelines/{pipeline}/run", INPUT)
    done = ended(api, ask, TALKS, INPUT)
    failed = ended(api, ask, FAILS)
    for run in (accepted, done, failed):
        assert run.keys() == RUN and run["credits_quoted"].keys() == {"low", "likely", "max"}
        assert all(step.keys() == STEP for step in run["steps"]) and len(run["steps"]) == 1
        times = [run["created_at"], run["started_at"], run["completed_at"]]
        times += [time for step in run["steps"] for time in (step["started_at"], step["completed_at"])]
        assert all(time is None or TIME.fullmatch(time) for time in times)
    assert accepted["trigger_type"] == "api" and accepted["input_data"] == INPUT["input_data"]
    assert done["status"] == "completed" and done["error"] is None and done["output_data"] and done["completed_at"]
    assert done["funding_mode"] == "free" and done["steps"][0]["provider"] == "demo"
    assert failed["status"] == "failed" and failed["error"].keys() == {"code", "message", "step_id"}
    assert failed["output_data"] is None and failed["steps"][0]["status"] == "failed"


def test_the_output_is_that_of_output_from_else_of_the_last_step(api: TestClient, ask: Ask) -> None:
    two = {**HELLO, "steps": [*HELLO["steps"], {"id": "then", "type": "transform", "template": "Bye"}]}
    assert ended(api, ask, two, INPUT)["output_data"] == "Bye"
    assert ended(api, ask, {**two, "output": {"from": "said"}}, INPUT)["output_data"] == "Hello Ada"


def test_usage_has_four_fields(api: TestClient, ask: Ask) -> None:
    assert ask(200, "GET", "/user/usage").keys() == USAGE
    ended(api, ask, HELLO, INPUT)
    unlimited = {"credits_used": 0, "credits_remaining": None, "runs_today": 1, "total_cost_cents": 0}
    assert ask(200, "GET", "/user/usage") == unlimited


def test_credits_are_numbers_of_at_most_six_decimals_and_402_when_too_few(runtime_with: Any) -> None:
    with StubServer() as vendor:
        runtime: Runtime = runtime_with(app_url=ORIGIN, anthropic_api_key="sk-ant-x", anthropic_base_url=vendor.url)
        runtime.dispatcher.start()
        app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
        create_account(runtime, email=NEW, password=PASSWORD, plan="free")
        token = {"Authorization": f"Bearer {sign_in(runtime, email=NEW, password=PASSWORD).token}"}
        with TestClient(app, base_url=ORIGIN, headers=token) as api:
            step = {"id": "said", "model": "claude-sonnet-5-5", "prompt": "Hello {{input.who}}", "max_tokens": 64}
            pipeline = api.post("/api/pipelines", json={**HELLO, "steps": [step]}).json()["id"]
            run = api.post(f"/api/pipelines/{pipeline}/run", json=INPUT).json()["id"]
            api.get(f"/api/runs/{run}/stream")
            done = api.get(f"/api/runs/{run}").json()
            assert done["status"] == "completed" and done["funding_mode"] == "platform", done
            amounts = [done["credits_deducted"], done["total_cost_cents"], *done["credits_quoted"].values()]
            for amount in amounts:
                assert amount > 0 and round(amount, 6) == amount, amount
            used = api.get("/api/user/usage").json()
            assert used["credits_used"] == done["credits_deducted"]
            assert round(used["credits_used"] + used["credits_remaining"], 6) == 100
            kinds = [item["kind"] for item in api.get("/api/user/ledger").json()["items"]]
            assert kinds == ["settle", "hold", "grant"]
            step |= {"model": "claude-opus-4-1", "max_tokens": 30_000}
            dear = api.post("/api/pipelines", json={**HELLO, "steps": [step]}).json()["id"]
            refused = api.post(f"/api/pipelines/{dear}/run", json=INPUT)
            assert refused.status_code == 402 and refused.json()["code"] == "INSUFFICIENT_CREDITS"


def test_registration_sign_in_and_recovery(client: TestClient, web_runtime: Runtime) -> None:
    def post(path: str, body: Any = None, **headers: str) -> Any:
        return client.post(f"/api/auth/{path}", json=body, headers=headers)

    assert post("register/request-code", {"email": NEW}).json() == {"sent": True, "expires_in_seconds": 600}
    early = post("register/request-code", {"email": NEW})
    assert early.status_code == 429 and 0 < int(early.headers["retry-after"]) <= 60
    code = code_in(last_letter(web_runtime, NEW))
    made = post("register", {"email": NEW, "password": PASSWORD, "name": "New", "code": code})
    assert made.status_code == 201 and made.json().keys() == {"user", "token"}
    assert post("login", {"email": NEW, "password": "something else"}).status_code == 401
    signed_in = post("login", {"email": NEW, "password": PASSWORD})
    assert signed_in.status_code == 200 and signed_in.json().keys() == {"user", "token"}
    bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
    fresh = post("refresh", **bearer)
    assert fresh.status_code == 200 and fresh.json().keys() == {"token"}
    assert post("logout", **bearer).status_code == 204 and client.get("/api/user/me", headers=bearer).status_code == 401
    for email in (NEW, "nobody@example.org"):
        assert post("forgot-password", {"email": email}).status_code == 202
    token = token_in(last_letter(web_runtime, NEW), "/auth/reset")
    reset = {"token": token, "password": "seven purple submarines"}
    assert post("reset-password", reset).status_code == 204
    assert post("login", {"email": NEW, "password": reset["password"]}).status_code == 200


def test_nobody_registers_at_a_closed_or_uninvited_installation(runtime_with: Any) -> None:
    for policy in ("invite", "closed"):
        runtime: Runtime = runtime_with(app_url=ORIGIN, signup=policy)
        app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
        with TestClient(app, base_url=ORIGIN) as client:
            body = {"email": NEW, "password": PASSWORD, "code": "000000"}
            assert client.post("/api/auth/register", json=body).status_code == 403, policy


def test_pipelines_are_made_changed_validated_and_archived(api: TestClient, ask: Ask) -> None:
    made = ask(201, "POST", "/pipelines", {"name": "Named", "tags": ["a"], "definition": HELLO})
    assert made.keys() >= {"id", "name", "description", "version", "status", "definition"}
    assert (made["name"], made["version"]) == ("Named", 1)
    bare = api.post("/api/pipelines", content="name: Bare\nsteps: [{id: a, type: transform, template: x}]")
    assert bare.status_code == 201 and bare.json()["name"] == "Bare"
    path = f"/pipelines/{made['id']}"
    for number, change in enumerate(({"name": "N"}, {"tags": []}, {"description": "D"}, {"definition": HELLO}), 2):
        assert ask(200, "PUT", path, change)["version"] == number, change
    checked = ask(200, "POST", "/pipelines/validate", {**HELLO, "steps": [{"id": "A-1", "type": "nothing"}]})
    assert checked.keys() == {"valid", "errors", "warnings"} and not checked["valid"]
    assert all(e.keys() == {"path", "line", "column", "code", "message"} for e in checked["errors"])
    refused = ask(400, "POST", "/pipelines", {**HELLO, "steps": []})
    assert refused["code"] == "INVALID_DEFINITION" and refused["details"]
    broken = api.post("/api/pipelines", content="{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400 and broken.json().keys() == {"error", "code"}
    large = api.post("/api/pipelines", content=b"x" * (256 * 1024 + 1))
    assert large.status_code == 413
    ask(204, "DELETE", path)
    ask(404, "GET", path)


def test_runs_are_started_stopped_and_retried(api: TestClient, ask: Ask) -> None:
    done = ended(api, ask, HELLO, INPUT)
    ask(422, "POST", f"/pipelines/{done['pipeline_id']}/run", {"input_data": {"who": 7}})
    assert ask(200, "POST", f"/runs/{done['id']}/cancel")["status"] == "completed"
    failed = ended(api, ask, FAILS)
    again = ask(202, "POST", f"/runs/{failed['id']}/retry", {"from_step": "said"})
    assert again["trigger_type"] == "retry" and again["id"] != failed["id"]
    fork = ask(202, "POST", f"/pipelines/{done['pipeline_id']}/run", {"from_run": done["id"], "from_step": "said"})
    assert fork["input_data"] == done["input_data"]
    ask(404, "POST", f"/pipelines/{done['pipeline_id']}/run", {**INPUT, "version": 2})
    listed = ask(200, "GET", f"/runs?pipeline_id={failed['pipeline_id']}&status=failed")["items"]
    assert failed["id"] in [run["id"] for run in listed]
    ask(404, "GET", "/runs/00000000-0000-0000-0000-000000000000")


def test_schedules(ask: Ask) -> None:
    path = f"/pipelines/{ask(201, 'POST', '/pipelines', HELLO)['id']}/schedules"
    assert ask(400, "POST", path, {**SCHEDULE, "cron_expression": "61 * * * *"})["code"]
    made = ask(201, "POST", path, {**SCHEDULE, "enabled": False})
    assert made["next_at"] is None and made["timezone"] == "Europe/Paris" and made["input_data"] == {"who": "Ada"}
    one = f"/schedules/{made['id']}"
    assert TIME.fullmatch(ask(200, "POST", f"{one}/enable")["next_at"])
    coming = ask(200, "GET", "/schedules/upcoming?limit=2")["items"]
    assert [each["schedule_id"] for each in coming] == [made["id"]] * 2
    assert ask(200, "POST", f"{one}/disable")["enabled"] is False
    assert ask(200, "GET", "/schedules/upcoming")["items"] == []
    assert ask(200, "PUT", one, {"name": "Changed"})["name"] == "Changed"
    assert ask(400, "PUT", one, {"cron_expression": "never"})["code"]
    ask(204, "DELETE", one)
    assert ask(200, "GET", path)["items"] == []


def test_keys_and_secrets_show_no_value_twice(ask: Ask) -> None:
    made = ask(201, "POST", "/user/api-keys", {"name": "K", "scopes": ["pipelines:read"]})
    assert made.keys() >= {"id", "key", "prefix", "scopes"} and made["key"].startswith("sk_live_")
    assert made["key"].startswith(made["prefix"])
    listed = ask(200, "GET", "/user/api-keys")
    assert "key" not in listed["items"][0] and made["key"] not in str(listed)
    ask(204, "DELETE", f"/user/api-keys/{made['id']}")
    assert ask(200, "GET", "/user/api-keys")["items"] == []
    pipeline = ask(201, "POST", "/pipelines", HELLO)["id"]
    for scope in ("/user", f"/pipelines/{pipeline}"):
        kept = ask(201, "POST", f"{scope}/secrets", {"name": "TOKEN", "value": "a secret value"})
        listed = ask(200, "GET", f"{scope}/secrets")
        assert [each["name"] for each in listed["items"]] == ["TOKEN"] and "a secret value" not in f"{kept}{listed}"
        ask(204, "DELETE", f"{scope}/secrets/TOKEN")


def test_webhooks(ask: Ask, api: TestClient) -> None:
    pipeline = ask(201, "POST", "/pipelines", HELLO)["id"]
    keys = {
        name: ask(201, "POST", "/user/api-keys", {"name": name, "scopes": scopes})["key"]
        for name, scopes in {
            "only": ["webhooks:trigger"],
            "more": ["webhooks:trigger", "pipelines:read"],
            "none": ["pipelines:read"],
        }.items()
    }
    token = api.headers.pop("Authorization")
    path = f"/webhooks/{pipeline}"
    for body in (INPUT, {"who": "Ada"}):
        answer = ask(202, "POST", path, body, **{"X-API-Key": keys["more"]})
        assert answer.keys() == {"accepted", "run_id", "status", "pipeline_id"}
        assert answer["accepted"] is True and answer["pipeline_id"] == pipeline
        run = ask(200, "GET", f"/runs/{answer['run_id']}", Authorization=token)
        assert run["trigger_type"] == "webhook" and run["input_data"] == {"who": "Ada"}
    ask(202, "POST", f"{path}?api_key={keys['only']}", INPUT)
    ask(403, "POST", f"{path}?api_key={keys['more']}", INPUT)
    ask(403, "POST", path, INPUT, **{"X-API-Key": keys["none"]})
    ask(401, "POST", path, INPUT)
    ask(404, "POST", f"{path}x", INPUT, **{"X-API-Key": keys["only"]})
    ask(422, "POST", path, {"who": 7}, **{"X-API-Key": keys["only"]})


def test_models_and_health_are_public(client: TestClient) -> None:
    health = client.get("/api/health").json()
    assert health.keys() == {"status", "version"} and health["status"] == "ok"
    models = client.get("/api/models").json()["items"]
    assert "demo" in [model["id"] for model in models]
    assert all(model.keys() >= {"id", "provider", "prices", "json", "region", "data_terms"} for model in models)
    assert len(client.get("/api/models?limit=2").json()["items"]) == 2 < len(models)


@pytest.mark.parametrize(
    "path", ["/health", "/models", "/openapi.json", "/schema/pipeline.json", "/price-books/current"]
)
def test_the_alias_answers_alike(client: TestClient, path: str) -> None:
    first, second = (client.get(f"{base}{path}") for base in ("/api", "/v1/api"))
    assert first.status_code == second.status_code == 200 and first.json().keys() == second.json().keys()


def test_the_alias_is_the_same_installation(api: TestClient, ask: Ask, person: Account) -> None:
    made = api.post("/v1/api/pipelines", json=HELLO).json()
    assert ask(200, "GET", f"/pipelines/{made['id']}")["definition"] == made["definition"]
    assert api.get("/v1/api/user/me").json()["id"] == person.id


def test_too_many_requests_are_429_with_retry_after(runtime_with: Any) -> None:
    runtime: Runtime = runtime_with(app_url=ORIGIN)
    create_account(runtime, email=NEW, password=PASSWORD)
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=ORIGIN) as client:
        for _ in range(200):
            answer = client.post("/api/auth/login", json={"email": NEW, "password": "a wrong password"})
            if answer.status_code == 429:
                break
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert answer.json().keys() <= {"error", "code", "details"}


def test_the_known_vector() -> None:
    assert sign("secret", 1700000000, b'{"ok":true}').startswith("v1=c1afc7c2")
