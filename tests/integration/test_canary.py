"""Secrets planted through every path, and looked for in every place where something is kept, shown or sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from core.accounts.commands import create_account, save_own_key
from core.accounts.domain import cookie_name
from core.accounts.queries import find_session
from core.bootstrap import build_runtime, prepare, set_runtime
from core.execution.queries import get_run
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import page_test
from tests.support.encodings import encodings, traces_of
from tests.support.http_peer import HttpPeer, PeerRequest, peer_in_thread
from tests.support.server import ServerProcess, poll_until
from tests.support.stored_rows import stored_values
from tests.support.vendor_stub import StubServer

pytestmark = pytest.mark.xdist_group("canary")  # one play for all of them

EMAIL = "ada@example.org"
SECRETS = {
    "CANARY": 'CN4RY+/7"QÉ&V=9~ZMVK-0831',
    "PHRASE": 'Phr4se \\ "with" sp4ces <&> ünd %41 + 93715',
    "HOST": "Kq7HostCanaryZm4x",
    "SIGNING": "whsec/Sgn+Canary=5521é",
}
SCOPED = {"LOCAL": "lOcaL-sEcret/8f2Kq+z9"}
KEYS = {"own key": "own-Key-canary-6f1Rw93b", "partner's key": "pl4tform-Canary-kEy-77a2"}
SHELL = {"SHELL_CANARY": 'Cli/canary+91"éQ-from-the-shell', "SHELL_SIGNING": "cli-sgn-Canary-4402"}
ALL = {**SECRETS, **SCOPED, **KEYS, **SHELL}
WHERE_THEY_BELONG = ("secrets.value:", "own_keys.secret:")
BOTH = "{{env.CANARY}} and {{env.PHRASE}}"
ITEMS = {"id": "items", "type": "transform", "template": '["a", "b"]', "output_format": "json"}
TABS = ("Output", "Prompt sent", "Raw", "Trace", "Attempts")
VIEWS = ("cells", "yaml", "graph")
CLOSELY = ("whole", "not the JSON", "broken receiver")
ENDED = ("completed", "failed", "cancelled")


def names_in(data: bytes) -> set[str]:
    """Which secrets are in the data, in any form."""
    return {trace.split(" (")[0] for trace in traces_of(ALL, data)}


@dataclass
class Played:
    """What was seen from outside while it was played, and where it is kept."""

    data_dir: Path
    log: Path
    partners: str
    token: str = ""
    pipelines: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    received: list[PeerRequest] = field(default_factory=list)
    prompts: str = ""

    def traces(self, places: dict[str, bytes]) -> list[str]:
        """What of any secret is in any of the places."""
        return [f"{place}: {trace}" for place, data in places.items() for trace in traces_of(ALL, data)]


def webhook(url: str, **more: Any) -> dict[str, Any]:
    body = {"secret": "{{env.CANARY}}", "text": f"x{BOTH}", "list": ["{{env.PHRASE}}"]}
    return {"id": "call", "type": "webhook", "url": url, "body": body, **more}


def whole(peer: str) -> dict[str, Any]:
    """Every way a secret may go out, every way it may come back, and a person who looks at it."""
    told = {"Authorization": "Bearer {{env.CANARY}}", "X-Phrase": "{{env.PHRASE}}", "X-Local": "{{env.LOCAL}}"}
    own = "claude-sonnet-4-5"
    target = {"type": "webhook", "url": f"{peer}/deliver?key={{{{env.CANARY}}}}", "signing_secret_name": "SIGNING"}
    return {
        "name": "Everything",
        "version": 1,
        "input": {"schema": {"note": {"type": "string", "default": "nothing"}}},
        "steps": [
            {"id": "ask", "model": own, "prompt": f"Say {BOTH} {{{{env.LOCAL}}}}", "system_prompt": "{{env.CANARY}}"},
            {"id": "parrot", "model": "llama-echo", "prompt": BOTH, "system_prompt": "Keep {{env.LOCAL}} well"},
            webhook(f"{peer}/echo?key={{{{env.CANARY}}}}&local={{{{env.LOCAL}}}}", headers=told),
            {**webhook(f"{peer}/echo.json", headers=told), "id": "call_json"},
            {**webhook(f"{peer}/echo", body="{{env.PHRASE}}", method="PUT"), "id": "plain"},
            ITEMS,
            {
                "id": "each", "type": "map", "foreach": "items", "as": "item",
                "steps": [{**webhook(f"{peer}/echo"), "id": "inner"}],
            },
            {"id": "joined", "type": "transform", "template": "{{input.note}} {{steps.call.output.body}}"},
            {"id": "lines", "type": "map", "foreach": "{{steps.call_json.output.body}}", "as": "line", "steps": [
                {"id": "line", "type": "transform", "template": "{{input.note}}{{line}}"}]},
            {"id": "look", "type": "human_review", "message": "{{input.note}} {{steps.joined.output}}"},
            {"id": "last", "model": "llama-echo", "prompt": "{{input.note}} {{env.PHRASE}}"},
        ],
        "output": {"from": "{{input.note}} {{steps.last.output}}", "deliver": [target]},
    }  # fmt: skip


def failing(peer: str) -> dict[str, list[dict[str, Any]]]:
    """Steps that fail in ways whose words may hold a secret."""
    again = {"retry": {"max_attempts": 2, "backoff_ms": 1}}
    ask = {"id": "ask", "prompt": BOTH, "system_prompt": "{{env.CANARY}}", "max_tokens": 100}
    inner = {**webhook(f"{peer}/echo/400"), "id": "inner"}
    return {
        "refused by the receiver": [webhook(f"{peer}/echo/400")],
        "broken receiver": [webhook(f"{peer}/echo/503?key={{{{env.CANARY}}}}", **again)],
        "refused address": [webhook("http://169.254.169.254/?key={{env.CANARY}}", method="GET", body=None)],
        "no address": [webhook("{{env.CANARY}}")],
        "no host": [webhook("http://{{env.HOST}}.localhost.invalid/", timeout_seconds=5)],
        "silent receiver": [webhook(f"{peer}/silent?key={{{{env.CANARY}}}}", timeout_seconds=1, **again)],
        "bad header": [webhook(f"{peer}/echo", headers={"Host": "{{env.CANARY}}"})],
        "vendor repeats the prompt": [{**ask, "model": "llama-error-400"}],
        "vendor tells the key": [{**ask, "model": "llama-tell-400"}],
        "vendor tells its own key": [{**ask, "model": "llama-tell-500", **again}],
        "vendor breaks off": [{**ask, "model": "llama-cut"}],
        "not the JSON": [{**ask, "model": "llama-echo", "output_format": "json"}],
        "not JSON": [
            webhook(f"{peer}/echo"),
            {"id": "read", "type": "transform", "template": "{{steps.call.output.body}}", "output_format": "json"},
        ],
        "some of many": [ITEMS, {"id": "each", "type": "map", "foreach": "items", "as": "item", "steps": [inner]}],
    }  # fmt: skip


def partners_of(stub: str) -> str:
    models = ["llama-echo", "llama-error-400", "llama-tell-400", "llama-tell-500", "llama-cut"]
    prices = {name: {"input": 0.1, "output": 0.1} for name in models}
    named = {"name": "parrot", "base_url": f"{stub}/v1", "api_key": KEYS["partner's key"], "region": "EU"}
    return json.dumps([{**named, "models": models, "prices": prices}])


class Player:
    """Somebody who uses the API, and keeps every answer."""

    def __init__(self, played: Played, client: httpx.Client) -> None:
        self.played, self.client = played, client

    def ask(self, method: str, path: str, **request: Any) -> Any:
        answer = self.client.request(method, path, **request)
        assert answer.status_code < 400, (method, path, answer.text[:500])
        place = f"{method} {path} #{len(self.played.answers)}"
        self.played.answers[place] = answer.content + repr(answer.headers).encode()
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else None

    def follow(self, run_id: str, *until: str) -> None:
        """The stream of a run up to where it ends (or so), and what was said token by token put together."""
        data, said = [], {}
        with self.client.stream("GET", f"/runs/{run_id}/stream", timeout=60) as stream:
            event = ""
            for line in stream.iter_lines():
                data.append(line)
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found = json.loads(line.removeprefix("data: "))
                    if event == "token":
                        said[found["step_id"]] = said.get(found["step_id"], "") + found["text"]
                    if event == "run_status" and found["status"] in (*ENDED, *until):
                        break
        self.played.answers[f"stream {run_id}"] = "\n".join(data).encode()
        self.played.answers[f"stream {run_id}, joined"] = json.dumps(said, ensure_ascii=False).encode()

    def run(self, name: str, definition: dict[str, Any], data: dict[str, Any]) -> str:
        made = self.ask("POST", "/pipelines", json={"definition": definition})
        pipeline_id: str = made["id"]
        self.played.pipelines.append(pipeline_id)
        run_id: str = self.ask("POST", f"/pipelines/{pipeline_id}/run", json={"input_data": data})["id"]
        self.played.runs[name] = run_id
        self.follow(run_id)
        return run_id


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The whole play, once: everything below looks at what it left."""
    folder = tmp_path_factory.mktemp("canary")
    with ExitStack() as stack:
        stub = stack.enter_context(StubServer())
        peer = stack.enter_context(peer_in_thread())
        partners = partners_of(stub.url)
        settings = {"ANTHROPIC_BASE_URL": stub.url, "LLAMA_PARTNERS": partners, "OUTBOUND_ALLOWLIST": "127.0.0.1"}
        server = ServerProcess(folder / "data", **settings)
        found = Played(folder / "data", server.log, partners)
        runtime = open_runtime(found)
        owner = create_account(runtime, email=EMAIL, password=PASSWORD)
        save_own_key(runtime, owner.id, "anthropic", KEYS["own key"])
        runtime.database.dispose()
        server.start()
        try:
            play(found, server, peer)
            read_back(found, server)
            found.answers |= run_in_shell(server, peer, folder)
            found.files = all_files(found.data_dir)
        finally:
            server.stop()
        found.received = list(peer.requests)
        found.prompts = json.dumps([seen.body for seen in stub.stub.requests], ensure_ascii=False)
        yield found


def play(played: Played, server: ServerProcess, peer: HttpPeer) -> None:
    there = f"http://127.0.0.1:{peer.port}"
    with httpx.Client(base_url=server.url + "/api", trust_env=False, timeout=60) as client:
        me = Player(played, client)
        login = client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
        played.token = login.json()["token"]
        client.headers["Authorization"] = f"Bearer {played.token}"
        for name, value in SECRETS.items():
            me.ask("POST", "/user/secrets", json={"name": name, "value": value})
        draft = me.ask("POST", "/pipelines", json={"definition": {"name": "Everything", "version": 1, "steps": [
            {"id": "ask", "model": "demo", "prompt": "Hello"}]}})  # fmt: skip
        for name, value in SCOPED.items():
            me.ask("POST", f"/pipelines/{draft['id']}/secrets", json={"name": name, "value": value})
        me.ask("PUT", f"/pipelines/{draft['id']}", json={"definition": whole(there)})
        played.pipelines.append(draft["id"])
        for name, data in (("with a secret as input", {"note": SECRETS["CANARY"]}), ("whole", {})):
            run_id = played.runs[name] = me.ask("POST", f"/pipelines/{draft['id']}/run", json={"input_data": data})[
                "id"
            ]
            me.follow(run_id, "waiting")
            before = me.ask("GET", f"/runs/{run_id}")
            assert before["status"] == "waiting", before["error"]
            me.ask("GET", "/reviews")
            me.ask("POST", f"/runs/{run_id}/reviews/look", json={"decision": "approve", "comment": "Fine"})
            me.follow(run_id)
            assert me.ask("GET", f"/runs/{run_id}")["status"] == "completed"
        target = {"type": "webhook", "url": f"{there}/deliver?key={{{{env.CANARY}}}}", "signing_secret_name": "SIGNING"}
        for name, steps in failing(there).items():
            definition = {"name": name, "version": 1, "steps": steps, "notifications": {"on_failure": [target]}}
            run_id = me.run(name, definition, {})
            assert me.ask("GET", f"/runs/{run_id}")["status"] == "failed", name
        again = me.ask("POST", f"/runs/{played.runs['refused by the receiver']}/retry", json={})["id"]
        played.runs["retried"] = again
        me.follow(again)
        wanted = len(played.runs)

        def delivered() -> bool:
            return len([seen for seen in list(peer.requests) if seen.path.startswith("/deliver")]) >= wanted

        poll_until(delivered, 30, "not everything was delivered")


def read_back(played: Played, server: ServerProcess) -> None:
    headers = {"Authorization": f"Bearer {played.token}"}
    with httpx.Client(base_url=server.url + "/api", trust_env=False, timeout=60, headers=headers) as client:
        me = Player(played, client)
        for path in ("/runs", "/reviews", "/reviews?status=decided", "/pipelines", "/user/usage", "/user/me",
                     "/user/secrets", "/user/statement", "/models"):  # fmt: skip
            me.ask("GET", path)
        for pipeline_id in played.pipelines:
            for rest in ("", "/secrets", "/versions", "/export"):
                me.ask("GET", f"/pipelines/{pipeline_id}{rest}")
        for run_id in played.runs.values():
            me.ask("GET", f"/runs/{run_id}")


def run_in_shell(server: ServerProcess, peer: HttpPeer, folder: Path) -> dict[str, bytes]:
    """`stepiq run` beside the server, with secrets from its environment."""
    there = f"http://127.0.0.1:{peer.port}"
    steps = [
        {"id": "ask", "model": "llama-echo", "prompt": "{{env.SHELL_CANARY}}"},
        {"id": "call", "type": "webhook", "url": f"{there}/echo", "body": {"key": "{{env.SHELL_CANARY}}"}},
        {"id": "fail", "type": "webhook", "url": f"{there}/echo/400", "body": {"key": "{{env.SHELL_CANARY}}"}},
    ]
    found: dict[str, bytes] = {}
    server.environment |= SHELL
    for name, kept, options in (("good", 2, []), ("bad", 3, ["--json"])):
        file = folder / f"{name}.json"
        target = {
            "type": "webhook",
            "url": f"{there}/deliver/{name}?key={{{{env.SHELL_CANARY}}}}",
            "signing_secret_name": "SHELL_SIGNING",
        }
        told = {"on_success": [target], "on_failure": [target]}
        file.write_text(json.dumps({"name": name, "version": 1, "steps": steps[:kept], "notifications": told}))
        done = server.command("run", str(file), *options)
        assert done.returncode == (0 if name == "good" else 1), done.stderr
        assert "[secret SHELL_CANARY]" in done.stdout
        found[f"stepiq run {name}"] = (done.stdout + done.stderr).encode()
    return found


def open_runtime(played: Played) -> Runtime:
    settings = load_settings(
        _env_file=None, data_dir=played.data_dir, bcrypt_cost=4, llama_partners=json.loads(played.partners),
        outbound_allowlist="127.0.0.1",
    )  # fmt: skip
    runtime = build_runtime(settings)
    prepare(runtime)
    return runtime


@pytest.fixture
def after(played: Played) -> Iterator[Runtime]:
    """The data as the server left it."""
    runtime = open_runtime(played)
    yield runtime
    runtime.dispatcher.stop()
    runtime.database.dispose()


def drawn(app: AppTest) -> bytes:
    """Everything a page sends to the browser."""
    assert not app.exception, app.exception
    parts, waiting = [], [app.main, app.sidebar]
    while waiting:
        node = waiting.pop()
        waiting += getattr(node, "children", {}).values()
        proto = getattr(node, "proto", None)
        if proto is not None:
            parts.append(proto.SerializeToString())
    return b"\n".join(parts)


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", list(ALL))
def test_the_search_finds_what_was_planted_in_every_form(name: str) -> None:
    for form in encodings(ALL[name]):
        assert traces_of(ALL, b"before " + form.encode() + b" after"), form
    for form in encodings(f"a word before {ALL[name]} and one after"):
        assert traces_of(ALL, form.encode()), form
    assert not traces_of(ALL, f"[secret {name}] {ALL[name][:-1]}".encode())


def test_the_play_was_played(played: Played, after: Runtime) -> None:
    """What is looked for did go out and did come back: the search is not of an empty house."""
    for name in ("CANARY", "PHRASE", "LOCAL"):
        assert json.dumps(ALL[name], ensure_ascii=False)[1:-1] in played.prompts
    sent = b"".join(
        seen.body + repr(seen.headers).encode() for seen in played.received if seen.path.startswith("/echo")
    )
    assert names_in(sent) >= {"CANARY", "PHRASE", "LOCAL"}
    stored = b"".join(value for _, value in stored_values(after))
    assert names_in(stored) >= {*SECRETS, *SCOPED, "own key"}, "the stores open"
    run = played.answers[next(place for place in played.answers if f"GET /runs/{played.runs['whole']}" in place)]
    for name in ("CANARY", "PHRASE", "LOCAL"):
        assert f"[secret {name}]".encode() in run


def test_no_file_holds_a_secret(played: Played, after: Runtime) -> None:
    files = all_files(played.data_dir)
    assert len(files) > 2
    assert any(name.endswith("-wal") for name in played.files), "looked at while it was served as well"
    assert not played.traces(files) + played.traces(played.files)


def test_no_stored_row_holds_a_secret_where_it_does_not_belong(played: Played, after: Runtime) -> None:
    typed = f"runs.request:{played.runs['with a secret as input']}"  # what the person entered is kept as it is
    rows = {place: value for place, value in stored_values(after) if not place.startswith((*WHERE_THEY_BELONG, typed))}
    assert len(rows) > 1_000
    assert not played.traces(rows)


def test_no_log_holds_a_secret(played: Played) -> None:
    assert not played.traces({"server.log": played.log.read_bytes()})


def test_no_answer_and_no_command_shows_a_secret(played: Played) -> None:
    # What the person entered is answered as it was entered, and only there.
    typed = f'"input_data":{{"note":{json.dumps(SECRETS["CANARY"], ensure_ascii=False)}}}'.encode()
    assert any(typed in data for data in played.answers.values())
    assert not played.traces({place: data.replace(typed, b"") for place, data in played.answers.items()})


def test_deliveries_hold_a_secret_only_in_their_address(played: Played) -> None:
    deliveries = [seen for seen in played.received if seen.path.startswith("/deliver")]
    of_shell = [seen for seen in deliveries if seen.path.startswith(("/deliver/good", "/deliver/bad"))]
    assert len(of_shell) == 2 and len(deliveries) == len(played.runs) + 2
    assert all(traces_of(ALL, seen.path.encode("latin-1")) for seen in deliveries)
    shown = {f"{n}": repr(seen.headers).encode() + seen.body for n, seen in enumerate(deliveries)}
    assert not played.traces(shown)


def test_no_page_shows_a_secret(played: Played, after: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    set_runtime(after)
    cookies = {cookie_name(https=False): played.token}
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda _self: cookies))
    session = find_session(after, played.token)
    assert session is not None
    owner_id = session.account.id
    pages: dict[str, bytes] = {}
    try:
        for name, run_id in played.runs.items():
            if name == "with a secret as input":
                continue  # its form shows what the person entered
            page = page_test("pages.workspace.run_detail", "run_page", run=run_id)
            pages[f"run {name}"] = drawn(page)
            for step in get_run(after, owner_id, run_id).steps if name in CLOSELY else ():
                page = page_test("pages.workspace.run_detail", "run_page", run=run_id, step=step.step_id)
                for tab in TABS:
                    page.session_state[f"tabs-step-{step.step_id}"] = tab
                    pages[f"run {name} {step.step_id} {tab}"] = drawn(page.run())
        for pipeline_id in played.pipelines:
            for view in VIEWS if pipeline_id == played.pipelines[0] else VIEWS[:1]:
                page = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline_id, view=view)
                pages[f"notebook {pipeline_id} {view}"] = drawn(page)
        for pipeline_id in ("", played.pipelines[0]):
            page = page_test("pages.account.secrets", "secrets_page", pipeline=pipeline_id)
            pages[f"secrets {pipeline_id}"] = drawn(page)
        pages["runs"] = drawn(page_test("pages.workspace.runs", "runs_page"))
        pages["keys"] = drawn(page_test("pages.account.keys", "keys_page"))
    finally:
        set_runtime(None)
    assert b"[secret CANARY]" in b"".join(pages.values())
    assert not played.traces(pages)
