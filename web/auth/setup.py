"""`/setup`: the owner's account, made with the one-time link."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.accounts.authentication import sign_in
from core.accounts.commands import set_up_owner
from core.accounts.queries import needs_setup, setup_token_valid
from core.platform.runtime import Runtime
from core.privacy.policies.queries import versions_in_force
from core.shared.errors import AppError
from web.auth.form_pages import Form, FormPages
from web.forms import read_fields
from web.origins import APP_HOME
from web.rendering import message_page
from web.sessions import client_host

SETUP = Form("setup", "setup.html", ("email", "name", "password"))


class SetupPages(FormPages):
    """The page of the set-up link."""

    def routes(self) -> list[BaseRoute]:
        """GET shows the form, POST takes it."""
        return [
            Route("/setup", self.show, methods=["GET"]),
            Route("/setup", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form, for a link that still works."""
        token = request.query_params.get("token", "")
        return await self._refusal(token) or self.draw(request, SETUP, token=token, email="", name="")

    async def take(self, request: Request) -> Response:
        """Make the account, sign its owner in, go on to the app."""
        sent = await read_fields(request)
        token, email, name = sent.get("token", ""), sent.get("email", "")[:320], sent.get("name", "")[:200]
        refusal = await self._refusal(token)
        if refusal is not None:
            return refusal
        shown: dict[str, Any] = {"token": token, "email": email, "name": name}
        fields, ours = await self.read(request, SETUP)
        if not ours:
            return self.draw_stale(request, SETUP, **shown)
        try:
            session_token = await self.call(_make_owner, request, fields)
        except AppError as error:
            if error.code == "SETUP_LINK_INVALID":
                return await self._refusal(token) or self.draw_error(request, SETUP, error, **shown)
            return self.draw_error(request, SETUP, error, **shown)
        return await self.signed_in(request, APP_HOME, session_token)

    async def _refusal(self, token: str) -> Response | None:
        if not await self.call(needs_setup):
            text = "The owner’s account exists. Sign in with it."
            return message_page(403, "This installation is set up", text, link=("/auth/login", "Sign in"))
        if not token or not await self.call(setup_token_valid, token):
            text = "Open the newest printed link, whole, or print another with `stepiq owner-link`."
            return message_page(403, "This link does not work", text)
        return None


def _make_owner(runtime: Runtime, request: Request, fields: dict[str, str]) -> str:
    email, password = fields.get("email", ""), fields.get("password", "")
    name = fields.get("name", "").strip() or None
    shown = versions_in_force(runtime)
    set_up_owner(runtime, token=fields["token"], email=email, password=password, name=name, policies=shown)
    device = request.headers.get("user-agent", "")
    host = client_host(request)
    return sign_in(runtime, email=email, password=password, device=device, client_host=host).token
