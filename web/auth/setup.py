"""`/setup`: the owner's account, made with the one-time link."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts.authentication import sign_in
from core.accounts.commands import set_up_owner
from core.accounts.queries import needs_setup, setup_token_valid
from core.shared.errors import AppError
from web.auth.signing import STALE_FORM
from web.errors import retry_headers, status_of
from web.forms import FormGuard, forget_form, read_fields
from web.origins import APP_HOME
from web.rendering import message_page, page
from web.sessions import client_host, set_session_cookie

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

FIELDS = ("email", "name", "password")


class SetupPages:
    """The page of the set-up link, over one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def routes(self) -> list[BaseRoute]:
        """GET shows the form, POST takes it."""
        return [
            Route("/setup", self.show, methods=["GET"]),
            Route("/setup", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form, for a link that still works."""
        token = request.query_params.get("token", "")
        refusal = await self._refusal(token)
        return refusal or self._form_page(request, token)

    async def take(self, request: Request) -> Response:
        """Make the account, sign its owner in, go on to the app."""
        fields = await read_fields(request)
        token, email, name = (fields.get(key, "") for key in ("token", "email", "name"))
        refusal = await self._refusal(token)
        if refusal is not None:
            return refusal
        again = partial(self._form_page, request, token, email=email, name=name)
        if not FormGuard(self._runtime, request, "setup").accepts(fields):
            return again(status=403, errors={"form": STALE_FORM})
        try:
            session_token = await to_thread.run_sync(self._make_owner, request, fields)
        except AppError as error:
            if error.code == "SETUP_LINK_INVALID":
                return await self._refusal(token) or again(status=403, errors={"form": error.message})
            field = error.context.get("field")
            place = field if field in FIELDS else "form"
            return again(status=status_of(error), errors={place: error.message}, headers=retry_headers(error))
        response = RedirectResponse(APP_HOME, 303)
        set_session_cookie(self._runtime, response, session_token)
        forget_form(self._runtime, response)
        return response

    def _make_owner(self, request: Request, fields: dict[str, str]) -> str:
        email, password = fields.get("email", ""), fields.get("password", "")
        name = fields.get("name", "").strip() or None
        set_up_owner(self._runtime, token=fields["token"], email=email, password=password, name=name)
        device = request.headers.get("user-agent", "")
        host = client_host(request)
        return sign_in(self._runtime, email=email, password=password, device=device, client_host=host).token

    async def _refusal(self, token: str) -> Response | None:
        if not await to_thread.run_sync(needs_setup, self._runtime):
            text = "The owner’s account exists. Sign in with it."
            return message_page(403, "This installation is set up", text, link=("/auth/login", "Sign in"))
        if not token or not await to_thread.run_sync(setup_token_valid, self._runtime, token):
            text = "Open the newest printed link, whole, or print another with `stepiq owner-link`."
            return message_page(403, "This link does not work", text)
        return None

    def _form_page(
        self,
        request: Request,
        token: str,
        *,
        email: str = "",
        name: str = "",
        status: int = 200,
        errors: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        guard = FormGuard(self._runtime, request, "setup")
        shown = dict.fromkeys(("form", *FIELDS), "") | (errors or {})
        values = {
            "token": token,
            "email": email[:320],
            "name": name[:200],
            "errors": shown,
            "csrf_token": guard.token(),
        }
        return guard.keep(page("setup.html", status=status, headers=headers, **values))
