"""The API as its own description says it is: requests made of the description, sent to the application itself.

The requests come from somebody with one of each thing. Some end what others need: a sign-out, a deletion, a new
password. What they ended is made anew before the next request, so the order of the requests does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from core.accounts.api_keys import create_api_key, delete_api_key, list_api_keys
from core.accounts.authentication import sign_in
from core.accounts.automation import resume_automation
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import SCOPES, SessionView
from core.accounts.passwords import set_password
from core.accounts.queries import find_session, list_sessions
from core.accounts.throttle import clear_try
from core.execution.commands import start_run
from core.execution.queries import run_status
from core.execution.schedules import create_schedule, delete_schedule, list_schedules
from core.pipelines.commands import create_pipeline
from core.platform.ratelimits import forget_tries
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.commands import end_own_restriction, withdraw
from core.privacy.domain import Details
from core.privacy.queries import list_requests, restrictions_of
from tests.conftest import PASSWORD
from tests.support.server import poll_until
from web.middleware import build_middleware
from web.routes import build_routes

FAST = {"api_writes_per_minute": 10_000_000, "api_reads_per_minute": 10_000_000}  # nobody has to wait
CALLERS = ("anonymous", "person", "key")
EMAIL = "grace@example.org"  # nobody of the examples, who are guessed at
ASKED: dict[str, Any] = {
    "name": "Asked",
    "version": 1,
    "steps": [{"id": "look", "type": "human_review", "message": "Is this right?"}],
}
SAID: dict[str, Any] = {
    "name": "Said",
    "version": 1,
    "steps": [{"id": "say", "type": "transform", "template": "Hello"}],
}
SCHEDULE: dict[str, Any] = {"name": "Nightly", "cron_expression": "0 3 * * *"}
# What a request that is carried out ends for those after it.
ENDING: dict[str, tuple[str, ...]] = {
    "POST /auth/logout": ("token",),
    "POST /auth/logout-everywhere": ("token", "session_id"),
    "POST /auth/refresh": ("token",),
    "POST /user/password": ("token", "session_id"),
    "POST /user/automation/pause": ("automation",),
    "POST /privacy/requests": ("automation", "session_id", "standing", "request_id", "waiting_request"),
    "POST /privacy/requests/{request_id}/withdraw": ("waiting_request", "standing"),
    "DELETE /user/sessions/{session_id}": ("session_id",),
    "DELETE /user/api-keys/{key_id}": ("key_id",),
    "DELETE /user/secrets/{name}": ("name",),
    "DELETE /pipelines/{pipeline_id}/secrets/{name}": ("name",),
    "PUT /pipelines/{pipeline_id}": ("pipeline_id",),
    "DELETE /pipelines/{pipeline_id}": ("pipeline_id", "schedule_id", "name"),
    "DELETE /schedules/{schedule_id}": ("schedule_id",),
    "DELETE /files/{file_id}": ("file_id",),
    "POST /runs/{run_id}/cancel": ("waiting",),
    "POST /runs/{run_id}/reviews/{step_id}": ("waiting",),
}


class Visitor:
    """Sends requests as nobody, as a person, or with an API key of every scope, and keeps what was wrong."""

    def __init__(self, runtime: Runtime, client: TestClient, kind: str) -> None:
        self.runtime, self.client, self.kind = runtime, client, kind
        self.account = create_account(runtime, email=EMAIL, password=PASSWORD, name="Grace")
        self.answered: dict[str, set[int]] = {}
        self.found: dict[tuple[str, str, int], str] = {}
        self.key = create_api_key(runtime, self.account, "All", list(SCOPES)).key
        self._asked = 0
        self._things: dict[str, Any] = {"step_id": "look", "number": 1, "automation": "on", "code_id": "none"}

    def check(self, case: Any) -> None:
        """Send a request, and keep what is wrong with its answer: the first of each kind."""
        headers = self.credentials()
        answer = self._ask(case, headers)
        try:
            # What a request may say depends on more than its shape: an address has its code, a step its rules.
            case.validate_response(answer, headers=headers, excluded_checks=[positive_data_acceptance])
        except FailureGroup as group:
            request = answer.request
            asked = f"{request.method} {request.url}\n{str(request.body)[:400]}"
            for failure in group.exceptions:
                kind = (case.operation.label, type(failure).__name__, answer.status_code)
                text = f"{failure.message[:500]}\n{asked}\n{answer.status_code} {answer.text[:400]}"
                self.found.setdefault(kind, f"{kind}: {text}")

    def _ask(self, case: Any, headers: dict[str, str]) -> Any:
        name = case.operation.label
        self._asked += 1
        is_made_wrong = case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH)
        if case.path_parameters and self._asked % 4 and not is_made_wrong:  # else an id that is nothing's
            case.path_parameters = {each: self.thing(each, name) for each in case.path_parameters}
        answer = case.call(headers=headers)
        if case.method.upper() == case.operation.method.upper():
            self.answered.setdefault(name, set()).add(answer.status_code)
        if answer.status_code < 300:
            self.end(name)
        return answer

    def end(self, operation: str) -> None:
        """Forget what an operation ended: it is made anew when it is needed."""
        for ended in ENDING.get(operation, ()):
            self._things.pop(ended, None)

    def credentials(self) -> dict[str, str]:
        """The headers by which the visitor is known."""
        self.thing("automation")
        self.thing("standing")
        if self.kind == "anonymous":
            return {}
        return {"X-API-Key": self.key} if self.kind == "key" else self._mine()

    def _mine(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.thing('token')}"}

    def thing(self, name: str, operation: str = "") -> Any:
        """A thing of the person's by the name of its parameter, made where there is none."""
        if name == "run_id" and ENDING.get(operation) == ("waiting",):
            name = "waiting"
        if name == "request_id" and operation.endswith("/withdraw"):
            name = "waiting_request"
        if name not in self._things:
            self._things[name] = getattr(self, f"_make_{name}")()
        return self._things[name]

    def _make_automation(self) -> str:
        resume_automation(self.runtime, self.account.id)
        return "on"

    def _make_standing(self) -> str:
        if restrictions_of(self.runtime, self.account.id):
            end_own_restriction(self.runtime, self._view())
        return "free"

    def _view(self) -> SessionView:
        view = find_session(self.runtime, self._sign_in())
        assert view is not None
        return view

    def _make_request_id(self) -> str:
        view = self._view()
        for each in list_requests(self.runtime, self.account.id, 100).items:
            if each.can_withdraw:
                withdraw(self.runtime, view, each.id)
        forget_tries(self.runtime, "privacy-request", self.account.id)
        return ask(self.runtime, view, "objection").id

    def _make_waiting_request(self) -> str:
        self._make_request_id()
        request = ask(self.runtime, self._view(), "rectification", Details(text="The invoice is wrong."))
        self._things.pop("standing", None)
        return request.id

    def _make_token(self) -> str:
        set_password(self.runtime, email=EMAIL, password=PASSWORD)
        self._things.pop("session_id", None)
        return self._sign_in()

    def _sign_in(self) -> str:
        clear_try(self.runtime, EMAIL, "")  # requests guess at the present password
        return sign_in(self.runtime, email=EMAIL, password=PASSWORD).token

    def _make_session_id(self) -> str:
        token = self.thing("token")
        self._sign_in()
        mine = find_session(self.runtime, token)
        assert mine is not None
        sessions = list_sessions(self.runtime, self.account.id, mine.id)
        return next(session.id for session in sessions if not session.is_current)

    def _make_key_id(self) -> str:
        for old in list_api_keys(self.runtime, self.account.id):
            if old.name != "All":
                delete_api_key(self.runtime, self.account.id, old.id)
        return create_api_key(self.runtime, self.account, "Another", list(SCOPES)).view.id

    def _make_pipeline_id(self) -> str:
        self._things.pop("name", None)
        return create_pipeline(self.runtime, self.account, SAID).id

    def _make_name(self) -> str:
        for scope in (None, self.thing("pipeline_id")):
            set_secret(self.runtime, self.account.id, "MINE", "a secret value", pipeline_id=scope)
        return "MINE"

    def _make_schedule_id(self) -> str:
        for old in list_schedules(self.runtime, self.account.id):
            delete_schedule(self.runtime, self.account.id, old.id)
        return create_schedule(self.runtime, self.account, self.thing("pipeline_id"), **SCHEDULE).id

    def _make_file_id(self) -> str:
        sent = {"file": ("a.txt", b"mine", "text/plain")}
        return str(self.client.post("/api/files", headers=self._mine(), files=sent).json()["id"])

    def _make_run_id(self) -> str:
        return self._run(SAID, "completed")

    def _make_version(self) -> str:
        return self.runtime.prices.current(self.runtime).version

    def _make_waiting(self) -> str:
        return self._run(ASKED, "waiting")

    def _run(self, definition: dict[str, Any], status: str) -> str:
        owner = self.account
        run_id = start_run(self.runtime, owner, create_pipeline(self.runtime, owner, definition).id, {}).id
        poll_until(lambda: run_status(self.runtime, owner.id, run_id) == status, 10, f"the run is {status}")
        return run_id


@contextmanager
def visited(runtime: Runtime, kind: str) -> Iterator[tuple[Visitor, Any]]:
    """A visitor of an installation, and the application it visits."""
    site = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    runtime.dispatcher.start()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # From this machine: guesses of one address are not counted there.
        await site({**scope, "client": ("127.0.0.1", 50000)}, receive, send)

    with TestClient(app, base_url="http://testserver") as client:
        try:
            yield Visitor(runtime, client, kind), app
        finally:
            asgi.shutdown_lifespans()


def checks_of(
    visitor: Visitor, app: Any, *, examples: int, seed: int, edges: bool = True
) -> Iterator[Callable[[], None]]:
    """A check of each operation: requests with the examples of its description, with `edges` requests at the edges of
    what it allows and just beyond, and `examples` requests by chance. The same seed makes the same requests.
    """
    generation = GenerationConfig(
        max_examples=examples, no_shrink=True, with_security_parameters=visitor.kind == "anonymous"
    )
    phases = PhasesConfig(coverage=CoveragePhaseConfig(enabled=edges))
    project = ProjectConfig(generation=generation, phases=phases)
    config = SchemathesisConfig(seed=seed, projects=ProjectsConfig(default=project))
    load_all_checks()
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, config=config)
    for found in schema.get_all_operations():
        operation = found.ok()
        made = build_operation_test(
            config=schema.config,
            operation=operation,
            test_func=visitor.check,
            given_kwargs={},
            feedback=FeedbackSources(),
        )
        yield made
