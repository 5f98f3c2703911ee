"""A stand-in for model vendors on loopback: Anthropic Messages, OpenAI Responses and Chat Completions.

`python -m tests.support.vendor_stub --port N --delay-ms M [--chunk-delay-ms C] [--requests]`

A scenario is chosen by the model's name, anywhere in it (`claude-sonnet-5-5` is normal, and so is any other
name), or by the header or query parameter `x-scenario`:

    normal        the prompt's first words repeated in upper case, or what `says` holds; JSON that satisfies a schema
                  where one is sent
    rate-limit    429 with `Retry-After` (the number after `rate-limit-`, else 7)
    error-NNN     that status with the vendor's error body
    slow          a token every 50 ms
    hang          headers never come
    stall         two tokens, then nothing
    cut           two tokens, then the connection is closed
    truncated     two tokens, then a clean end without the final event
    malformed     a body, or an event, that is not JSON
    shapeless     JSON of the wrong shape
    mid-error     two tokens, then an error event
    refusal       the model declines
    long          stops at the token limit
    no-temp       400 while `temperature` is sent
    no-schema     400 while a schema is sent
    no-sealed     400 while sealed reasoning is asked for
    no-usage      a stream that reports no usage
    html          200 with a page instead of JSON
    tools         asks for each tool that the prompt writes as `name {arguments}`, one a turn, then answers with
                  what they gave; `tools-together`: all in one turn; `tools-endless`: the first one for ever;
                  `tools-malformed`: first with arguments that are cut; `tools-unknown`: first a tool nobody offered;
                  `tools-slow`: a token every 50 ms; `tools-late`: never answers once it has a result;
                  `tools-dear`: reports a hundred million tokens read; `tools-busy`: 529 once it has a result
    echo          everything that was sent, the system prompt first, word for word and in the usual encodings
    tell-NNN      that status, and in the error body the headers that carry keys, in the usual encodings
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from tests.support.encodings import encodings
from tests.support.vendor_voices import Anthropic, Chat, Responses, Voice

_SCENARIOS = (
    r"rate-limit(?:-[\d.]+)?|error-\d{3}|slow|hang|stall|cut|truncated|malformed|shapeless|mid-error|refusal|long|"
    r"no-temp|no-schema|no-sealed|no-usage|html|echo|tell-\d{3}|"
    r"tools-(?:together|endless|malformed|unknown|slow|late|dear|busy)|tools"
)


@dataclass
class Seen:
    """A request as it arrived, and what became of it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    client_port: int = 0
    disconnected: threading.Event = field(default_factory=threading.Event)
    finished: bool = False


class VendorStub:
    """The ASGI application with its settings and the requests it has seen."""

    def __init__(self, delay_seconds: float = 0.0, chunk_delay_seconds: float = 0.0, *, keep: bool = True) -> None:
        self.delay_seconds = delay_seconds
        self.chunk_delay_seconds = chunk_delay_seconds
        self.requests: list[Seen] = []
        self.keep = keep
        self.says: str | None = None
        self.running = 0
        self.most_running = 0
        routes = [Route("/_stub/stats", self._stats)]
        for prefix in ("", "/v1", "/anthropic", "/anthropic/v1", "/openai/v1", "/gateways/{name}/v1"):
            routes += [
                Route(f"{prefix}/messages", self._messages, methods=["POST"]),
                Route(f"{prefix}/responses", self._responses, methods=["POST"]),
                Route(f"{prefix}/chat/completions", self._chat, methods=["POST"]),
            ]
        self.app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", b"visitor=first; Path=/")]
            await send(message)

        await self.app(scope, receive, with_cookie)

    async def _stats(self, request: Request) -> Response:
        return JSONResponse({"requests": len(self.requests), "most_running": self.most_running})

    async def _messages(self, request: Request) -> Response:
        return await self._answer(request, Anthropic)

    async def _responses(self, request: Request) -> Response:
        return await self._answer(request, Responses)

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, Chat)

    async def _answer(self, request: Request, kind: Callable[[dict[str, Any]], Voice]) -> Response:
        body = json.loads(await request.body())
        port = request.client.port if request.client else 0
        seen = Seen(request.url.path, dict(request.headers), body, time.monotonic(), port)
        if self.keep:
            self.requests.append(seen)
        chosen = request.headers.get("x-scenario") or request.query_params.get("x-scenario") or str(body["model"])
        match = re.search(_SCENARIOS, chosen)
        scenario = match.group() if match else "normal"
        voice = kind(body)
        voice.scenario, voice.says = scenario, self.says
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        streamed = False
        try:
            if scenario == "hang" or (scenario == "tools-late" and voice.results()):
                await self._until_disconnect(request, seen)
                return Response(status_code=499)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if scenario == "tools-busy" and voice.results():
                return JSONResponse(voice.error_body(529, "Overloaded"), 529)
            if scenario.startswith("tell-"):
                return _telling(int(scenario.removeprefix("tell-")), request, voice)
            if (refused := _refused(scenario, body, voice)) is not None:
                return refused
            if not body.get("stream"):
                if scenario == "stall":
                    await self._until_disconnect(request, seen)
                seen.finished = True
                return _whole(scenario, voice)
            streamed = True
            return _Stream(self._events(scenario, voice, seen), seen, self, cut=scenario == "cut")
        finally:
            if not streamed:
                self.running -= 1

    async def _events(self, scenario: str, voice: Voice, seen: Seen) -> AsyncIterator[str]:
        pause = 0.05 if scenario.endswith("slow") else self.chunk_delay_seconds
        for event in voice.opening():
            yield event
        pieces = re.findall(r"\S+\s*", voice.text())
        for index, piece in enumerate(pieces):
            if index == 2 and scenario in ("cut", "truncated", "stall", "malformed", "mid-error"):
                break
            yield voice.delta(piece)
            if pause:
                await asyncio.sleep(pause)
        match scenario:
            case "cut" | "truncated":
                return
            case "stall":
                while not seen.disconnected.is_set():
                    await asyncio.sleep(0.01)
                return
            case "malformed":
                yield voice.raw("{this is not json")
            case "mid-error":
                yield voice.error()
                return
        for event in voice.closing():
            yield event
        seen.finished = True

    async def _until_disconnect(self, request: Request, seen: Seen) -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        seen.disconnected.set()


class _Stream(StreamingResponse):
    """A stream that notes when its client went away, and that can end as a broken connection."""

    def __init__(self, events: AsyncIterator[str], seen: Seen, stub: VendorStub, *, cut: bool) -> None:
        super().__init__(events, media_type="text/event-stream")
        self.seen, self.stub, self.cut = seen, stub, cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not self.seen.finished:
                self.seen.disconnected.set()

        async def send_or_cut(message: Message) -> None:
            if self.cut and message["type"] == "http.response.body" and not message.get("more_body"):
                raise ConnectionResetError("cut by the scenario")
            await send(message)

        watcher = asyncio.create_task(watch())
        try:
            await self.stream_response(send_or_cut)
        except (OSError, ClientDisconnect):
            if self.cut:
                raise
        finally:
            watcher.cancel()
            self.stub.running -= 1


def _refused(scenario: str, body: dict[str, Any], voice: Voice) -> Response | None:
    if scenario.startswith("rate-limit"):
        wait = scenario.removeprefix("rate-limit").lstrip("-") or "7"
        return JSONResponse(voice.error_body(429, "Slow down"), 429, {"Retry-After": wait})
    if scenario.startswith("error-"):
        status = int(scenario.removeprefix("error-"))
        # Vendors do repeat what they were sent: nothing of it may reach our messages.
        said = f"Refused: {voice.prompt()} with key {body.get('key', 'sk-live-1234567890abcdef')}"
        return JSONResponse(voice.error_body(status, said), status)
    if scenario == "no-temp" and "temperature" in body:
        return JSONResponse(voice.error_body(400, "`temperature` is deprecated for this model."), 400)
    if scenario == "no-schema" and voice.schema() is not None:
        return JSONResponse(voice.error_body(400, "json_schema: this model does not support output formats."), 400)
    if scenario == "no-sealed" and body.get("include"):
        return JSONResponse(voice.error_body(400, "Encrypted content is not supported with this model."), 400)
    if scenario == "html":
        return HTMLResponse("<h1>Bad gateway, sorry</h1>")
    return None


def _telling(status: int, request: Request, voice: Voice) -> Response:
    """A refusal that tells the whole world with which key it was asked."""
    keys = [request.headers[name] for name in ("authorization", "x-api-key") if name in request.headers]
    keys += [key.removeprefix("Bearer ") for key in keys]
    said = " | ".join(form for key in keys for form in encodings(key))
    body = voice.error_body(status, said)
    body["error"]["type"] = body["error"]["code"] = re.sub(r"[^\w.-]", "", keys[-1])
    return JSONResponse(body, status)


def _whole(scenario: str, voice: Voice) -> Response:
    if scenario == "malformed":
        return Response('{"id": "x", "content": [', media_type="application/json")
    if scenario == "shapeless":
        return JSONResponse({"hello": ["world"]})
    if scenario in ("cut", "truncated"):
        text = json.dumps(voice.whole())
        return Response(text[: len(text) // 2], media_type="application/json")
    return JSONResponse(voice.whole())


class StubServer:
    """The stub on a free loopback port, in a thread of its own: `with StubServer() as stub: stub.url`."""

    def __init__(self, stub: VendorStub | None = None) -> None:
        self.stub = stub or VendorStub()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        config = uvicorn.Config(self.stub, log_level="critical", access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> StubServer:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=5)


def vendor_settings(server: StubServer) -> dict[str, str]:
    """The settings of a Runtime whose keys for Claude and GPT are the stub's."""
    return {
        "anthropic_api_key": "sk-ant-test",
        "anthropic_base_url": server.url,
        "openai_api_key": "sk-test",
        "openai_base_url": f"{server.url}/v1",
    }


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--chunk-delay-ms", type=float, default=0)
    parser.add_argument("--requests", action="store_true", help="keep the requests in memory")
    options = parser.parse_args()
    stub = VendorStub(options.delay_ms / 1000, options.chunk_delay_ms / 1000, keep=options.requests)
    listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(stub, log_level="warning", access_log=False, lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
