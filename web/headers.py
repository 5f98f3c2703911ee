"""Security headers on every response, and an answer without internals where a response could not be made."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.platform.logging import get_logger

log = get_logger("web")

SITE_POLICY = (
    "default-src 'self'; script-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The HTML part of a mail, in the frame of its page: a mail's own style, nothing else. It is shown in development only.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
MAIL_PART = re.compile(r"/dev/mail/[^/]+/html")
API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` from our own forms (Fetch, section 3.2).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=63072000"


def streamlit_folder() -> Path:
    """Where Streamlit's page and its files are installed."""
    spec = importlib.util.find_spec("streamlit")
    if spec is None or spec.origin is None:
        raise RuntimeError("streamlit is not installed")
    return Path(spec.origin).parent / "static"


def app_policy() -> str:
    """The content security policy of the app. Streamlit's page has one inline script, allowed by its hash."""
    html = (streamlit_folder() / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", html, re.S)
    hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:{hashes}; "
        "style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


class SecurityHeaders:
    """Outermost of the middleware, so that refusals and failures carry the headers too."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https
        self._fixed = FIXED | ({"Strict-Transport-Security": HSTS} if https else {})
        self._app_policy = app_policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = finished = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started, finished
            if message["type"] == "http.response.start":
                started = True
                self._add(MutableHeaders(scope=message), scope["path"])
            elif message["type"] == "http.response.body":
                finished = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            # The server would log the whole exception, and its text may quote content: it ends here.
            log.error("http.failed", method=scope["method"], exc_info=error)
            if not started:
                await _failure(scope["path"])(scope, receive, send_with_headers)
            elif not finished:
                raise ConnectionAbortedError("the response was cut") from None

    def _add(self, headers: MutableHeaders, path: str) -> None:
        for name, value in self._fixed.items():
            headers[name] = value
        if path.startswith("/review/"):
            # The address is a secret, and this form does without the `Origin` that is lost with it.
            headers["Referrer-Policy"] = "no-referrer"
        if self._https:
            _make_cookies_secure(headers)
        if path == "/app" or path.startswith("/app/"):
            headers["Content-Security-Policy"] = self._app_policy
            # Hashed bundles may be kept by the one browser; no shared cache may hand them past the gate.
            hashed = path.startswith("/app/static/") and "immutable" in headers.get("cache-control", "")
            headers["Cache-Control"] = "private, max-age=31536000, immutable" if hashed else "no-store"
        elif _is_api(path):
            headers["Content-Security-Policy"] = API_POLICY
            headers["Cache-Control"] = "no-store"
        elif MAIL_PART.fullmatch(path):
            headers["Content-Security-Policy"] = MAIL_POLICY
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Cache-Control"] = "no-store"
        else:
            headers["Content-Security-Policy"] = SITE_POLICY
            headers.setdefault("Cache-Control", "no-store")


def _make_cookies_secure(headers: MutableHeaders) -> None:
    # Streamlit sets its XSRF cookie without `Secure`: behind a proxy it does not know of the TLS.
    cookies = headers.getlist("set-cookie")
    if any("; secure" not in cookie.lower() for cookie in cookies):
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", cookie if "; secure" in cookie.lower() else f"{cookie}; Secure")


def _is_api(path: str) -> bool:
    return path.startswith(("/api/", "/v1/api/")) or path in ("/api", "/v1/api")


def _failure(path: str) -> JSONResponse | PlainTextResponse:
    if _is_api(path):
        return JSONResponse({"error": "Something failed on our side. Try again.", "code": "INTERNAL"}, 500)
    return PlainTextResponse("Something failed on our side. Go back and try again.", 500)
