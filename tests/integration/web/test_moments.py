"""Days and moments of requests are words of ISO 8601; a number is none."""

import pytest
from starlette.testclient import TestClient

from tests.integration.web.test_api_basics import problem

NO_DAYS = ("0", "1798675200", "-1", "1e9", "2026-13-01", "2026-12-31T00:00:00Z", "20261231", "today")
NO_MOMENTS = ("0", "0.398", "1798675200", "-1", "1e9", "2026-12-31", "2026-12-31T12:00:00", "2026-12-31T25:00:00Z")


@pytest.mark.parametrize("path", ["user/statement", "user/egress", "user/egress/export"])
@pytest.mark.parametrize("name", ["from", "to"])
def test_what_is_no_day_is_refused(api: TestClient, path: str, name: str) -> None:
    for written in NO_DAYS:
        refused = problem(api.get(f"/api/{path}", params={name: written}), 422, "INVALID_REQUEST")
        if written != "2026-13-01":  # a day by its looks
            assert refused["error"] == f"query.{name}: Write a day as 2026-12-31."
    assert api.get(f"/api/{path}", params={name: "2026-12-31"}).status_code == 200


def test_what_is_no_moment_is_refused_where_runs_are_exported(api: TestClient) -> None:
    for written in NO_MOMENTS:
        problem(api.get("/api/runs/export", params={"format": "csv", "since": written}), 422, "INVALID_REQUEST")
    for written in ("2026-12-31T12:00:00Z", "2026-12-31T12:00:00.5+01:00", "2026-12-31t12:00:00z"):
        assert api.get("/api/runs/export", params={"format": "csv", "since": written}).status_code == 200, written


def test_what_is_no_moment_is_refused_where_a_key_is_made(api: TestClient) -> None:
    for written in (*NO_MOMENTS, 0, 4_000_000_000, 1e9, True):
        body = {"name": "CI", "scopes": ["pipelines:read"], "expires_at": written}
        problem(api.post("/api/user/api-keys", json=body), 422, "INVALID_REQUEST")
    assert api.get("/api/user/api-keys").json()["items"] == []
