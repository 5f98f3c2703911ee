"""`/auth/login` and `/auth/logout`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts.authentication import finish_sign_in, sign_in
from core.accounts.domain import SessionView
from core.accounts.queries import needs_setup
from core.accounts.sessions import sign_out, sign_out_everywhere
from core.shared.errors import AppError
from web.auth.form_pages import Form, FormPages
from web.origins import safe_next
from web.rendering import message_page
from web.sessions import clear_session_cookie, client_host, cookie_token

NO_ACCOUNT = "Nobody has an account here yet. Open the printed set-up link (`stepiq owner-link` prints one)."
LOGIN = Form("login", "login.html", ("email", "password"))
CODE = Form("login-code", "login_code.html", ("code",))
LOGOUT = Form("logout", "logout.html")


class SigningPages(FormPages):
    """Signing in, with the second factor where there is one, and signing out here or everywhere."""

    def routes(self) -> list[BaseRoute]:
        """GET shows a form, POST takes it."""
        return [
            Route("/auth/login", self.show_login, methods=["GET"]),
            Route("/auth/login", self.take_login, methods=["POST"]),
            Route("/auth/login/code", self.take_code, methods=["POST"]),
            Route("/auth/logout", self.show_logout, methods=["GET"]),
            Route("/auth/logout", self.take_logout, methods=["POST"]),
        ]

    async def show_login(self, request: Request) -> Response:
        """The form; somebody signed in goes straight on."""
        wanted = safe_next(request.query_params.get("next"))
        if await self.session_of(request):
            return RedirectResponse(wanted, 303)
        notice = NO_ACCOUNT if await self.call(needs_setup) else ""
        return self._login_page(request, next=wanted, notice=notice)

    async def take_login(self, request: Request) -> Response:
        """Check address and password, keep the session in a cookie, go on to the app."""
        fields, ours = await self.read(request, LOGIN)
        email, password, wanted = fields.get("email", ""), fields.get("password", ""), safe_next(fields.get("next"))
        if not ours:
            return self.draw_stale(request, LOGIN, **self._login_values(next=wanted, email=email))
        if not email.strip() or not password:
            missing = {"email": "" if email.strip() else "Enter your e-mail address."}
            missing["password"] = "" if password else "Enter your password."
            return self._login_page(request, next=wanted, email=email, status=422, errors=missing)
        try:
            signed_in = await self.call(sign_in, email=email, password=password, **_who(request))
        except AppError as error:
            if error.code == "SECOND_FACTOR_REQUIRED":
                return self.draw(request, CODE, challenge=error.context["challenge"], next=wanted)
            if error.code == "INVALID_CREDENTIALS":
                error.context["field"] = "password"
            return self.draw_error(request, LOGIN, error, **self._login_values(next=wanted, email=email))
        return await self.signed_in(request, wanted, signed_in.token)

    async def take_code(self, request: Request) -> Response:
        """The second half of a sign-in."""
        fields, ours = await self.read(request, CODE)
        challenge, wanted = fields.get("challenge", "")[:2000], safe_next(fields.get("next"))
        if not ours:
            return self.draw_stale(request, LOGIN, **self._login_values(next=wanted))
        try:
            code = fields.get("code", "")
            signed_in = await self.call(finish_sign_in, challenge=challenge, code=code, **_who(request))
        except AppError as error:
            if error.code == "CHALLENGE_ENDED":
                return self.draw_error(request, LOGIN, error, **self._login_values(next=wanted))
            return self.draw_error(request, CODE, error, challenge=challenge, next=wanted)
        return await self.signed_in(request, wanted, signed_in.token)

    async def show_logout(self, request: Request) -> Response:
        """Ask before signing out: a link alone must not."""
        session = await self.session_of(request)
        if session is None:
            return RedirectResponse("/auth/login", 303)
        return self._logout_page(request, session)

    async def take_logout(self, request: Request) -> Response:
        """End the session, or all of them, on the server, and this one in the browser."""
        session = await self.session_of(request)
        if session is not None:
            fields, ours = await self.read(request, LOGOUT, session)
            if not ours:
                return self.draw_stale(request, LOGOUT, session=session, email=session.account.email)
            if fields.get("everywhere"):
                await self.call(sign_out_everywhere, session.account.id)
            await self.call(sign_out, cookie_token(self.runtime, request.headers))
        response = message_page(
            200, "Signed out", "This browser holds no session any more.", link=("/auth/login", "Sign in")
        )
        clear_session_cookie(self.runtime, response)
        return response

    def _login_page(
        self, request: Request, *, status: int = 200, errors: dict[str, str] | None = None, **values: str
    ) -> Response:
        return self.draw(request, LOGIN, status=status, errors=errors, **self._login_values(**values))

    def _login_values(self, *, next: str = "/app/", email: str = "", notice: str = "") -> dict[str, Any]:
        sign_up = self.runtime.settings.signup == "open"
        return {"next": next, "email": email[:320], "notice": notice, "sign_up": sign_up}

    def _logout_page(self, request: Request, session: SessionView) -> Response:
        return self.draw(request, LOGOUT, session=session, email=session.account.email)


def _who(request: Request) -> dict[str, str | None]:
    return {"device": request.headers.get("user-agent", ""), "client_host": client_host(request)}
