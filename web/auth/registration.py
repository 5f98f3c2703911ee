"""`/auth/register`: an address, then the mailed code with a name and a password."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts.invitations import find_admission
from core.accounts.registration import register, request_code
from core.platform.mail.queries import mail_pages_open
from core.privacy.policies.queries import versions_in_force
from core.shared.errors import AppError
from web.auth.form_pages import Form, FormPages
from web.forms import FormGuard
from web.languages import preferred_language
from web.origins import APP_HOME
from web.rendering import message_page
from web.sessions import client_host

ADDRESS = Form("register", "register.html", ("email",))
FINISH = Form("register-finish", "register_finish.html", ("code", "name", "password"))
SIGN_IN = ("/auth/login", "Sign in")


class RegistrationPages(FormPages):
    """Making an account of one's own."""

    def routes(self) -> list[BaseRoute]:
        """GET shows the first form; each POST takes one and shows the next."""
        return [
            Route("/auth/register", self.show, methods=["GET"]),
            Route("/auth/register", self.take_address, methods=["POST"]),
            Route("/auth/register/finish", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form for an address; an invitation's is filled in."""
        if await self.session_of(request):
            return RedirectResponse(APP_HOME, 303)
        invitation = request.query_params.get("invitation", "")[:200]
        policy = self.runtime.settings.signup
        if policy == "closed":
            return message_page(403, "No new accounts", "This installation takes no new accounts.", link=SIGN_IN)
        if not invitation:
            if policy == "invite":
                text = "Accounts here are made by invitation. Ask an admin of this installation for one."
                return message_page(403, "By invitation", text, link=SIGN_IN)
            return self.draw(request, ADDRESS, email="", invitation="")
        try:
            admission = await self.call(find_admission, invitation)
        except AppError as error:
            return message_page(403, "This invitation does not work", error.message, link=SIGN_IN)
        return self.draw(request, ADDRESS, email=admission.email or "", invitation=invitation)

    async def take_address(self, request: Request) -> Response:
        """Mail the code, and ask for it."""
        fields, ours = await self.read(request, ADDRESS)
        email, invitation = fields.get("email", "")[:320], fields.get("invitation", "")[:200]
        if not ours:
            return self.draw_stale(request, ADDRESS, email=email, invitation=invitation)
        language = preferred_language(request.headers)
        try:
            await self.call(request_code, email=email, language=language, client_host=client_host(request))
        except AppError as error:
            if error.code != "CODE_JUST_SENT":
                return self.draw_error(request, ADDRESS, error, email=email, invitation=invitation)
            notice = error.message
        else:
            notice = "A code is on its way to your address. It counts for 10 minutes."
        return self._finish_page(request, email=email, invitation=invitation, notice=notice)

    async def take(self, request: Request) -> Response:
        """Make the account, and go on into the app."""
        fields, ours = await self.read(request, FINISH)
        email, invitation, name = (fields.get(key, "")[:320] for key in ("email", "invitation", "name"))
        if not ours:
            values = self._finish_values(request, email=email, invitation=invitation, name=name)
            return self.draw_stale(request, FINISH, **values)
        try:
            signed_in = await self.call(
                register,
                email=email,
                password=fields.get("password", ""),
                code=fields.get("code", "")[:40],
                name=name,
                invitation=invitation or None,
                language=preferred_language(request.headers),
                device=request.headers.get("user-agent", ""),
                client_host=client_host(request),
                policies=await self.call(versions_in_force),
            )
        except AppError as error:
            values = self._finish_values(request, email=email, invitation=invitation, name=name)
            return self.draw_error(request, FINISH, error, **values)
        return await self.signed_in(request, APP_HOME, signed_in.token)

    def _finish_page(self, request: Request, **values: str) -> Response:
        # For another code the address goes back to the first form: its token comes along.
        return self.draw(request, FINISH, **self._finish_values(request, **values))

    def _finish_values(
        self, request: Request, *, email: str, invitation: str, name: str = "", notice: str = ""
    ) -> dict[str, Any]:
        return {
            "email": email,
            "invitation": invitation,
            "name": name[:200],
            "notice": notice,
            "mails_here": mail_pages_open(self.runtime),
            "again_token": FormGuard(self.runtime, request, ADDRESS.name).token(),
        }
