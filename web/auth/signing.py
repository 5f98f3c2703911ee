"""`/auth/login` and `/auth/logout`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts.authentication import sign_in
from core.accounts.domain import SessionView
from core.accounts.queries import find_session, needs_setup
from core.accounts.sessions import sign_out
from core.shared.errors import AppError
from web.errors import retry_headers, status_of
from web.forms import FormGuard, forget_form, read_fields
from web.origins import safe_next
from web.rendering import message_page, page
from web.sessions import clear_session_cookie, client_host, cookie_token, set_session_cookie

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

NO_ACCOUNT = "Nobody has an account here yet. Open the printed set-up link (`stepiq owner-link` prints one)."
STALE_FORM = "This form was open for too long, or came from elsewhere. Check it and send it again."


class SigningPages:
    """The pages of signing in and out, over one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def routes(self) -> list[BaseRoute]:
        """GET shows a form, POST takes it."""
        return [
            Route("/auth/login", self.show_login, methods=["GET"]),
            Route("/auth/login", self.take_login, methods=["POST"]),
            Route("/auth/logout", self.show_logout, methods=["GET"]),
            Route("/auth/logout", self.take_logout, methods=["POST"]),
        ]

    async def show_login(self, request: Request) -> Response:
        """The form; somebody signed in goes straight on."""
        wanted = safe_next(request.query_params.get("next"))
        if await self._session(request):
            return RedirectResponse(wanted, 303)
        notice = ""
        if await to_thread.run_sync(needs_setup, self._runtime):
            notice = NO_ACCOUNT
        return self._login_page(request, next=wanted, notice=notice)

    async def take_login(self, request: Request) -> Response:
        """Check address and password, keep the session in a cookie, go on to the app."""
        fields = await read_fields(request)
        email, password = fields.get("email", ""), fields.get("password", "")
        again = partial(self._login_page, request, next=safe_next(fields.get("next")), email=email)
        if not FormGuard(self._runtime, request, "login").accepts(fields):
            return again(status=403, errors={"form": STALE_FORM})
        if not email.strip() or not password:
            missing = {"email": "" if email.strip() else "Enter your e-mail address."}
            missing["password"] = "" if password else "Enter your password."
            return again(status=422, errors=missing)
        device = request.headers.get("user-agent", "")
        who = {"email": email, "password": password, "device": device, "client_host": client_host(request)}
        check = partial(sign_in, self._runtime, **who)
        try:
            signed_in = await to_thread.run_sync(check)
        except AppError as error:
            field = "password" if error.code == "INVALID_CREDENTIALS" else "form"
            return again(status=status_of(error), errors={field: error.message}, headers=retry_headers(error))
        response = RedirectResponse(safe_next(fields.get("next")), 303)
        set_session_cookie(self._runtime, response, signed_in.token)
        forget_form(self._runtime, response)
        return response

    async def show_logout(self, request: Request) -> Response:
        """Ask before signing out: a link alone must not."""
        session = await self._session(request)
        if session is None:
            return RedirectResponse("/auth/login", 303)
        return self._logout_page(request, session)

    async def take_logout(self, request: Request) -> Response:
        """End the session on the server and in the browser."""
        session = await self._session(request)
        if session is not None:
            guard = FormGuard(self._runtime, request, "logout", session.csrf_key)
            if not guard.accepts(await read_fields(request)):
                return self._logout_page(request, session, status=403, error=STALE_FORM)
            await to_thread.run_sync(sign_out, self._runtime, cookie_token(self._runtime, request.headers))
        response = message_page(
            200, "Signed out", "This browser holds no session any more.", link=("/auth/login", "Sign in")
        )
        clear_session_cookie(self._runtime, response)
        return response

    async def _session(self, request: Request) -> SessionView | None:
        token = cookie_token(self._runtime, request.headers)
        return await to_thread.run_sync(find_session, self._runtime, token) if token else None

    def _login_page(
        self,
        request: Request,
        *,
        next: str,
        email: str = "",
        notice: str = "",
        status: int = 200,
        errors: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        guard = FormGuard(self._runtime, request, "login")
        shown = {"form": "", "email": "", "password": ""} | (errors or {})
        values = {
            "next": next,
            "email": email[:320],
            "notice": notice,
            "errors": shown,
            "csrf_token": guard.token(),
        }
        return guard.keep(page("login.html", status=status, headers=headers, **values))

    def _logout_page(self, request: Request, session: SessionView, *, status: int = 200, error: str = "") -> Response:
        token = FormGuard(self._runtime, request, "logout", session.csrf_key).token()
        return page("logout.html", status=status, email=session.account.email, csrf_token=token, error=error)
