"""Plain HTML forms: reading them, and knowing that our own page sent them.

Before sign-in there is no session to bind a token to, so the forms use a signed double submit: a random
value in a short HttpOnly cookie, and in the form an HMAC over that value, the form's name and the time. A
page elsewhere can neither read nor set the cookie, and a token fetched by an attacker fits only the
attacker's own cookie (which is what login CSRF would need). `Origin` and `Sec-Fetch-Site`, where a browser
sends them, must be ours as well; they alone are not relied on, because not every client sends them. After
sign-in the session's own key takes the place of the cookie. Tokens carry a random salt, so compressed pages
do not leak them (BREACH).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from web.origins import comes_from_elsewhere

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

FORM_LIFE = 2 * 60 * 60
FIELD = "csrf_token"


def form_cookie(runtime: Runtime) -> str:
    """Name of the cookie that a form before sign-in is bound to."""
    return "__Host-stepiq_form" if runtime.settings.is_https else "stepiq_form"


def forget_form(runtime: Runtime, response: Response) -> None:
    """Take the form's cookie out of the browser once the form has served."""
    https = runtime.settings.is_https
    response.delete_cookie(form_cookie(runtime), path="/", secure=https, httponly=True, samesite="lax")


class FormGuard:
    """Issues and checks the tokens of one form for one browser."""

    def __init__(self, runtime: Runtime, request: Request, form: str, session_key: bytes | None = None) -> None:
        self._runtime, self._request, self._form = runtime, request, form
        self._session_key = session_key
        self._known = request.cookies.get(form_cookie(runtime), "")
        self._browser = self._known if len(self._known) == 32 and self._known.isalnum() else secrets.token_hex(16)

    def token(self) -> str:
        """A fresh token for the form's hidden field."""
        salt, issued = secrets.token_hex(8), int(self._runtime.clock.now().timestamp())
        return f"{issued}.{salt}.{self._sign(issued, salt)}"

    def accepts(self, fields: Mapping[str, str]) -> bool:
        """Whether our own page, in this browser, sent these fields."""
        if comes_from_elsewhere(self._request.headers, self._runtime.settings.public_url):
            return False
        if self._session_key is None and self._known != self._browser:
            return False
        issued, _, rest = fields.get(FIELD, "").partition(".")
        salt, _, signature = rest.partition(".")
        if not (issued.isascii() and issued.isdigit() and len(issued) < 12 and signature.isascii()):
            return False
        age = self._runtime.clock.now().timestamp() - int(issued)
        return -60 <= age <= FORM_LIFE and hmac.compare_digest(signature, self._sign(int(issued), salt))

    def keep(self, response: Response) -> Response:
        """Set the cookie that the form is bound to; forms of a session need none."""
        if self._session_key is None:
            response.set_cookie(
                form_cookie(self._runtime),
                self._browser,
                max_age=FORM_LIFE,
                path="/",
                secure=self._runtime.settings.is_https,
                httponly=True,
                samesite="lax",
            )
        return response

    def _sign(self, issued: int, salt: str) -> str:
        key, bound_to = self._session_key, ""
        if key is None:
            key, bound_to = self._runtime.vault.derive("form-token"), self._browser
        digest = hmac.digest(key, f"{self._form}|{bound_to}|{issued}|{salt}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def read_fields(request: Request) -> dict[str, str]:
    """The text fields of a submitted form; a form sent in another encoding has none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
