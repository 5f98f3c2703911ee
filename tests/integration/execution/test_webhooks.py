"""`webhook` steps: what is sent, what comes back, and what is refused before a byte is sent."""

from collections.abc import Callable
from typing import Any

import pytest

from core.execution.queries import run_as_dict
from core.platform.runtime import Runtime
from tests.integration.execution.conftest import Execute
from tests.support.http_peer import HttpPeer

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    return runtime_with(**database_settings, outbound_allowlist="127.0.0.1")


def hook(peer: HttpPeer, path: str = "/", **more: Any) -> dict[str, Any]:
    return {"id": "call", "type": "webhook", "url": f"http://127.0.0.1:{peer.port}{path}", **more}


async def test_a_request_and_its_answer(execute: Execute) -> None:
    async with HttpPeer() as peer:
        peer.answers["/things"] = (201, JSON, b'{"id": 7}')
        body = {"name": "{{steps.name.output}}", "tags": ["{{steps.tags.output}}"], "n": 1}
        run = await execute(
            [
                {"id": "name", "type": "transform", "template": "Ada"},
                {"id": "tags", "type": "transform", "template": '["a"]', "output_format": "json"},
                hook(peer, "/things", headers={"X-From": "{{steps.name.output}}"}, body=body, expect_status=201),
                {"id": "id", "type": "transform", "template": "{{steps.call.output.body.id}}"},
            ]
        )
        assert run.status == "completed", run.error
        assert run.output_data == "7"
        (seen,) = peer.requests
        assert (seen.method, seen.headers["x-from"]) == ("POST", "Ada")
        assert seen.body == b'{"name": "Ada", "tags": [["a"]], "n": 1}', "one reference keeps its type"
        assert seen.headers["x-stepiq-delivery"] == f"{run.id}:call"


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (503, 3)])
async def test_a_status_that_does_not_count_fails_and_what_may_pass_is_tried_again(
    execute: Execute, status: int, tries: int
) -> None:
    async with HttpPeer() as peer:
        peer.answers["/"] = (status, {}, b"no")
        run = await execute([hook(peer, retry={"max_attempts": 3, "backoff_ms": 1})])
        assert run.status == "failed" and run.error is not None
        assert run.error["code"] == "HTTP_STATUS" and str(status) in str(run.error["message"])
        assert len(peer.requests) == tries
        assert len({seen.headers["x-stepiq-delivery"] for seen in peer.requests}) == 1, "one act, one id"


async def test_a_target_that_is_not_allowed_is_refused(execute: Execute) -> None:
    run = await execute([{"id": "call", "type": "webhook", "url": "http://169.254.169.254/latest", "method": "GET"}])
    assert run.status == "failed" and run.error is not None and run.error["code"] == "OUTBOUND_REFUSED"
    assert run_as_dict(run)["error"]
