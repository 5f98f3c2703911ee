"""`/auth/forgot`, `/auth/reset` and the links of a change of address. Opening a link changes nothing: a button does."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.accounts.addresses import check_address_link, confirm_address, undo_address
from core.accounts.passwords import check_reset_link, forget_password, reset_password
from core.platform.mail.queries import mail_pages_open
from core.shared.errors import AppError
from web.auth.form_pages import Form, FormPages
from web.rendering import message_page
from web.sessions import clear_session_cookie, client_host

FORGOT = Form("forgot", "forgot.html", ("email",))
RESET = Form("reset", "reset.html", ("password",))
CONFIRM = Form("address-confirm", "address_link.html")
UNDO = Form("address-undo", "address_link.html")
SIGN_IN, AGAIN = ("/auth/login", "Sign in"), ("/auth/forgot", "Ask for another link")


class RecoveryPages(FormPages):
    """What the links in mails lead to."""

    def routes(self) -> list[BaseRoute]:
        """GET shows a form, POST takes it."""
        return [
            Route("/auth/forgot", self.show_forgot, methods=["GET"]),
            Route("/auth/forgot", self.take_forgot, methods=["POST"]),
            Route("/auth/reset", self.show_reset, methods=["GET"]),
            Route("/auth/reset", self.take_reset, methods=["POST"]),
            Route("/auth/address/confirm", self.show_confirm, methods=["GET"]),
            Route("/auth/address/confirm", self.take_confirm, methods=["POST"]),
            Route("/auth/address/undo", self.show_undo, methods=["GET"]),
            Route("/auth/address/undo", self.take_undo, methods=["POST"]),
        ]

    async def show_forgot(self, request: Request) -> Response:
        """The form for an address."""
        return self.draw(request, FORGOT, email="")

    async def take_forgot(self, request: Request) -> Response:
        """Mail a link where there is an account; the page is the same where there is none."""
        fields, ours = await self.read(request, FORGOT)
        email = fields.get("email", "")[:320]
        if not ours:
            return self.draw_stale(request, FORGOT, email=email)
        if not email.strip():
            return self.draw(request, FORGOT, email="", status=422, errors={"email": "Enter your e-mail address."})
        try:
            await self.call(forget_password, email=email, client_host=client_host(request))
        except AppError as error:
            return self.draw_error(request, FORGOT, error, email=email)
        text = "If there is an account with this address, a link for a new password is on its way. It counts an hour."
        link = ("/dev/mail", "See the mails of this machine") if mail_pages_open(self.runtime) else SIGN_IN
        return message_page(200, "Look into your mail", text, link=link)

    async def show_reset(self, request: Request) -> Response:
        """The form for a new password, for a link that still works."""
        token = request.query_params.get("token", "")[:200]
        return await self._refusal(check_reset_link, token, AGAIN) or self.draw(request, RESET, token=token)

    async def take_reset(self, request: Request) -> Response:
        """Set the password; whoever was signed in is not any more."""
        fields, ours = await self.read(request, RESET)
        token = fields.get("token", "")[:200]
        if not ours:
            return self.draw_stale(request, RESET, token=token)
        try:
            await self.call(reset_password, token=token, password=fields.get("password", ""))
        except AppError as error:
            if error.code == "LINK_INVALID":
                return message_page(403, "This link does not work", error.message, link=AGAIN)
            return self.draw_error(request, RESET, error, token=token)
        text = "Your new password counts from now on, and every earlier sign-in has ended."
        response = message_page(200, "Password changed", text, link=SIGN_IN)
        clear_session_cookie(self.runtime, response)
        return response

    async def show_confirm(self, request: Request) -> Response:
        """Ask before the address is changed: what scans mails opens links."""
        token = request.query_params.get("token", "")[:200]
        refusal = await self._refusal(check_address_link, token, SIGN_IN)
        return refusal or self.draw(request, CONFIRM, token=token, undo=False)

    async def take_confirm(self, request: Request) -> Response:
        """Change the address."""
        text = "Your account uses this address from now on. The old one was told."
        return await self._take(request, CONFIRM, confirm_address, "Address changed", text, undo=False)

    async def show_undo(self, request: Request) -> Response:
        """Ask before a change is taken back."""
        token = request.query_params.get("token", "")[:200]
        if (refusal := await self._refusal(_check_undo, token, SIGN_IN)) is not None:
            return refusal
        return self.draw(request, UNDO, token=token, undo=True)

    async def take_undo(self, request: Request) -> Response:
        """Take the change back, and end every sign-in."""
        text = "Your account uses your old address again, and everybody is signed out. Set a new password now."
        return await self._take(request, UNDO, undo_address, "Change taken back", text, undo=True)

    async def _take(
        self, request: Request, form: Form, act: Callable[..., None], title: str, text: str, *, undo: bool
    ) -> Response:
        fields, ours = await self.read(request, form)
        if not ours:
            return self.draw_stale(request, form, token=fields.get("token", "")[:200], undo=undo)
        try:
            await self.call(act, fields.get("token", "")[:200])
        except AppError as error:
            return message_page(403, "This link does not work", error.message, link=SIGN_IN)
        link = ("/auth/forgot", "Set a new password") if undo else ("/app/", "Go on to the app")
        return message_page(200, title, text, link=link)

    async def _refusal(self, check: Callable[..., None], token: str, link: tuple[str, str]) -> Response | None:
        try:
            await self.call(check, token)
        except AppError as error:
            return message_page(403, "This link does not work", error.message, link=link)
        return None


def _check_undo(runtime: object, token: str) -> None:
    check_address_link(runtime, token, undo=True)  # type: ignore[arg-type]
