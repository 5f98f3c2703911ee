"""`webhook`: one HTTP request to somewhere else, through the guard of outbound requests."""

import json
from dataclasses import replace

from core.execution.departures import Departure, Departures, Look, short_host
from core.execution.kinds.port import Live, Prepared, StepContext, StepResult
from core.pipelines.kinds.webhook import WebhookStep
from core.pipelines.outputs import OutputMismatch, read_json
from core.pipelines.templates import print_value, render, resolve_value
from core.platform.outbound import OutboundRequest, OutboundResponse
from core.platform.signatures import DELIVERY
from core.shared.errors import InvalidInput, ProviderError
from core.shared.masking import Masker
from core.shared.types import JsonValue

MAX_BYTES = 2_000_000


def prepare(context: StepContext) -> Prepared:
    """The request with its references filled in. A stored answer never stands in: the act is the point."""
    step: WebhookStep = context.step
    scope = {**context.scope, "env": dict(context.secrets)}
    url = render(step.url, scope)
    headers = {name: render(value, scope) for name, value in step.headers.items()}
    body = resolve_value(step.body, scope)
    target = context.runtime.outbound.check_url(url)
    request = _request(step, url, headers, body, context.delivery_id)
    leaving = _departures(context, target.host, request)

    async def sending(_host: str) -> None:
        leaving.sending(leaving.first)

    async def execute(_live: Live) -> StepResult:
        answer = await context.runtime.outbound.send(replace(request, on_send=sending))
        leaving.answered(leaving.first)
        return _result(step, answer)

    shown: JsonValue = {"method": step.method, "url": url, "headers": dict(headers), "body": body}
    content: dict[str, JsonValue] = {"prompt": json.dumps(shown, ensure_ascii=False, indent=2)}
    return Prepared(execute=execute, content=content, limit=step.timeout_seconds + 1.0, leaving=leaving)


def _departures(context: StepContext, host: str, request: OutboundRequest) -> Departures:
    """What the ledger is told. A host that comes from a secret is told by the secret's name."""
    ids, screen = context.runtime.ids, context.screen()
    shown = Masker(context.secrets).mask_text(host) if context.secrets else host
    body = (request.body or b"").decode(errors="replace")
    sent = "\n".join((request.url, *(f"{name}: {value}" for name, value in request.headers.items()), body))
    first = Departure(ids.new(), "webhook", short_host(shown), "step", size=len(sent.encode()))

    async def look() -> Look:
        assert screen is not None
        return Look(replace(first, categories=await screen.categories(sent)))

    return Departures(ids, first, look if screen is not None else None)


def _request(
    step: WebhookStep, url: str, headers: dict[str, str], body: JsonValue, delivery_id: str
) -> OutboundRequest:
    given = {name.lower() for name in headers}
    sent = None
    if body is not None:
        sent = print_value(body).encode()
        if "content-type" not in given:
            kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
            headers = {**headers, "Content-Type": kind}
    # The same in every attempt, also after a crash: a receiver that keeps it acts once.
    headers = {**headers, DELIVERY: delivery_id}
    return OutboundRequest(
        method=step.method,
        url=url,
        headers=headers,
        body=sent,
        timeout_seconds=float(step.timeout_seconds),
        max_bytes=MAX_BYTES,
    )


def _result(step: WebhookStep, answer: OutboundResponse) -> StepResult:
    output: JsonValue = {"status": answer.status, "headers": dict(answer.headers), "body": _body(answer)}
    expected = step.expected
    if answer.status in expected or (not expected and answer.status < 400):
        if answer.truncated:
            message = f"The answer is larger than {MAX_BYTES // 1_000_000} MB. Ask for less of it."
            return StepResult(error=InvalidInput("ANSWER_TOO_LARGE", message))
        return StepResult(output)
    return StepResult(output, error=HttpFailure(answer.status, expected, answer.headers.get("retry-after")))


def _body(answer: OutboundResponse) -> JsonValue:
    text = answer.body.decode("utf-8", errors="replace")
    if "json" not in answer.headers.get("content-type", "").lower():
        return text
    try:
        return read_json(text)
    except OutputMismatch:
        return text


class HttpFailure(ProviderError):
    """A receiver answered with a status that does not count as success. Too busy and broken may pass."""

    def __init__(self, status: int, expected: tuple[int, ...], retry_after: str | None) -> None:
        wanted = f"; {', '.join(map(str, expected))} is expected" if expected else ""
        seconds = float(retry_after) if retry_after is not None and retry_after.strip().isdigit() else None
        super().__init__(
            "HTTP_STATUS",
            f"The receiver answered with status {status}{wanted}. Check the address and what is sent.",
            retryable=status == 429 or status >= 500,
            retry_after=seconds,
        )
