"""`user/egress` and its CSV, and the choice of a pipeline about personal data."""

import csv
from io import StringIO

from starlette.testclient import TestClient

from core.accounts.domain import Account
from core.platform.runtime import Runtime
from tests.support.sent_rows import sent


def test_lines_are_listed_and_paged(api: TestClient, web_runtime: Runtime, person: Account) -> None:
    ids = [sent(web_runtime, person.id, categories="user.contact.email" if n else None) for n in range(3)]
    sent(web_runtime, "somebody-else")
    first = api.get("/api/user/egress?limit=2").json()
    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert first["items"][0]["categories"] == ["user.contact.email"] and first["items"][0]["masked"] == []
    rest = api.get(f"/api/user/egress?limit=2&cursor={first['next_cursor']}").json()
    assert [item["id"] for item in rest["items"]] == [ids[0]] and rest["next_cursor"] is None
    assert rest["items"][0]["categories"] is None
    assert api.get("/api/user/egress?to=2020-01-01").json()["items"] == []
    assert api.get("/api/user/egress?from=yesterday").status_code == 422


def test_the_csv_holds_everything_and_no_formula(api: TestClient, web_runtime: Runtime, person: Account) -> None:
    sent(web_runtime, person.id, "=cmd", kind="webhook", categories="user.contact.email,user.device.ip_address")
    answer = api.get("/api/user/egress/export")
    assert (
        answer.headers["content-type"].startswith("text/csv") and "attachment" in answer.headers["content-disposition"]
    )
    (row,) = csv.DictReader(StringIO(answer.text))
    assert row["recipient"] == "'=cmd" and row["categories"] == "user.contact.email user.device.ip_address"


def test_a_pipeline_chooses_about_personal_data(api: TestClient, web_runtime: Runtime, person: Account) -> None:
    made = api.post("/api/pipelines", json={"name": "A", "version": 1, "steps": [{"id": "a", "prompt": "x"}]}).json()
    place = f"/api/pipelines/{made['id']}/personal-data"
    assert api.get(place).json() == {"mode": None, "holds": "warn"}
    assert api.put(place, json={"mode": "mask"}).json() == {"mode": "mask", "holds": "mask"}
    assert api.get(f"/api/pipelines/{made['id']}").json()["version"] == 1, "it makes no version"
    assert api.patch("/api/user/me", json={"personal_data": "block"}).json()["personal_data"] == "block"
    assert api.put(place, json={"mode": None}).json() == {"mode": None, "holds": "block"}
    assert api.put(place, json={"mode": "sometimes"}).status_code == 422
