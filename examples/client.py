"""A client of the stepIQ API in one file. It needs httpx and nothing else: copy it, and cut away what you do not use.

    stepiq = StepIQ("http://127.0.0.1:8501", api_key="sk_live_…")
    pipeline = stepiq.create_pipeline(open("hello.yaml").read())
    run = stepiq.wait(stepiq.run(pipeline["id"], {"name": "Ada"})["id"])

`python client.py FILE.yaml '{"name": "Ada"}'` does so with `STEPIQ_URL` and `STEPIQ_API_KEY` (or `STEPIQ_EMAIL` and
`STEPIQ_PASSWORD`) of the environment.
"""

import hmac
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

FINAL = ("completed", "failed", "cancelled")
Json = dict[str, Any]


class StepIQError(Exception):
    """An answer that is an error. `code` is stable and for programs; `details` says what is wrong where."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            said = json.loads(answer.read())
        except ValueError:  # of a proxy in between
            said = {}
        self.status, self.code = answer.status_code, said.get("code", "HTTP")
        self.message, self.details = said.get("error", answer.reason_phrase), said.get("details") or []
        super().__init__(f"{self.code} ({self.status}): {self.message}")


class StepIQ:
    """The API, as the person whose key it is or who signs in. A request that is limited or cut is sent again."""

    def __init__(self, url: str, *, api_key: str | None = None, tries: int = 5, timeout: float = 60) -> None:
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url.rstrip("/") + "/api/", headers=headers, timeout=timeout)
        self._tries = tries

    def sign_in(self, email: str, password: str) -> None:
        """Open a session, in the place of an API key."""
        token = self._send("POST", "auth/login", {"email": email, "password": password})["token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def pipelines(self) -> Iterator[Json]:
        """Every pipeline, newest first, a page at a time."""
        query: Json | None = {}
        while query is not None:
            page = self._send("GET", "pipelines", params=query)
            yield from page["items"]
            query = {"cursor": page["next_cursor"]} if page["next_cursor"] else None

    def create_pipeline(self, definition: str | Json) -> Json:
        """Make a pipeline of a definition: YAML text, or an object."""
        return self._send("POST", "pipelines", {"definition": definition})

    def estimate(self, pipeline_id: str, inputs: Json) -> Json:
        """Credits a run would cost: `low`, `likely` and `max`."""
        return self._send("POST", f"pipelines/{pipeline_id}/estimate", {"input_data": inputs})

    def run(self, pipeline_id: str, inputs: Json, *, key: str | None = None) -> Json:
        """Start a run. The same `key` within 24 hours answers the same run: name the occasion, "invoice-2214"."""
        return self._send("POST", f"pipelines/{pipeline_id}/run", {"input_data": inputs}, key=key)

    def trigger(self, pipeline_id: str, body: Json, *, key: str | None = None) -> Json:
        """Start a run by its webhook, with the whole body as its input. Needs the scope `webhooks:trigger`."""
        return self._send("POST", f"webhooks/{pipeline_id}", body, key=key)

    def cancel(self, run_id: str) -> Json:
        """Ask a run to stop."""
        return self._send("POST", f"runs/{run_id}/cancel")

    def wait(self, run_id: str) -> Json:
        """The run with its steps when it has ended, however it ended."""
        for _ in self.events(run_id):
            pass
        return self._send("GET", f"runs/{run_id}")

    def events(self, run_id: str) -> Iterator[tuple[str, Json]]:
        """Kind and data of each event until the run ends; a stream that breaks is taken up where it broke."""
        last, failures, ended = "0", 0, False
        while not ended:
            try:
                with self._http.stream("GET", f"runs/{run_id}/stream", headers={"Last-Event-ID": last}) as stream:
                    if not stream.is_success:
                        raise StepIQError(stream)
                    event: dict[str, str] = {}
                    for line in stream.iter_lines():
                        name, _, value = line.partition(": ")
                        event[name] = value
                        if line:
                            continue
                        kind, data = event["event"], json.loads(event["data"])
                        if kind in ("connected", "run_status"):  # a run may go on after an end: the last one counts
                            ended = data["status"] in FINAL
                        last, event, failures = event.get("id", last), {}, 0
                        yield kind, data
            except httpx.TransportError:
                ended = False
                if failures >= self._tries:
                    raise
            if not ended:
                failures += 1
                time.sleep(min(0.1 * 2**failures, 5))

    def _send(self, method: str, path: str, body: Any = None, *, params: Any = None, key: str | None = None) -> Json:
        # Under one key a request counts once, so it can be sent again when no answer came.
        headers = {"Idempotency-Key": key or str(uuid.uuid4())} if method == "POST" else {}
        for left in reversed(range(self._tries)):
            wait = 0.5
            try:
                answer = self._http.request(method, path, json=body, params=params, headers=headers)
                if answer.is_success:
                    return answer.json()
                if answer.status_code != 429 or not left:
                    raise StepIQError(answer)
                wait = float(answer.headers.get("Retry-After", 1))
            except httpx.TransportError:
                if not left:
                    raise
            time.sleep(wait)
        raise AssertionError("tries is at least 1")


def verify_signature(secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: int = 300) -> bool:
    """Whether a webhook that came to us was signed by stepIQ with our secret, just now. `body` is as it came."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    sent_at, offered = found.get("x-stepiq-timestamp", ""), found.get("x-stepiq-signature", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > tolerance:
        return False
    expected = "v1=" + hmac.new(secret.encode(), f"{sent_at}.".encode() + body, "sha256").hexdigest()
    return any(hmac.compare_digest(expected.encode(), one.strip().encode()) for one in offered.split(","))


def main(file: str, inputs: str = "{}") -> int:
    """Run a pipeline file: its price and its steps are told on stderr, its output on stdout."""
    stepiq = StepIQ(os.environ.get("STEPIQ_URL", "http://127.0.0.1:8501"), api_key=os.environ.get("STEPIQ_API_KEY"))
    if "STEPIQ_API_KEY" not in os.environ:
        stepiq.sign_in(os.environ["STEPIQ_EMAIL"], os.environ["STEPIQ_PASSWORD"])
    pipeline, data = stepiq.create_pipeline(Path(file).read_text(encoding="utf-8")), json.loads(inputs)
    print(f"at most {stepiq.estimate(pipeline['id'], data)['max']} credits", file=sys.stderr)
    run = stepiq.run(pipeline["id"], data)
    for kind, event in stepiq.events(run["id"]):
        if kind == "step_status":
            print(f"{event['step_id']}: {event['status']}", file=sys.stderr)
    run = stepiq.wait(run["id"])
    output = run["error"] if run["error"] else run["output_data"]
    print(output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2))
    return 0 if run["status"] == "completed" else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except StepIQError as error:
        sys.exit("\n".join([str(error), *(f"  {each['path']}: {each['message']}" for each in error.details)]))
