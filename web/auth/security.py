"""What a signed-in person changes about how they sign in: password, address, second factor. Plain forms, so that
password managers understand them and no password lies in the app's memory."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts import second_factor
from core.accounts.addresses import ask_address_change
from core.accounts.domain import SessionView
from core.accounts.passwords import change_password
from core.accounts.sessions import confirm_password
from core.platform.mail.queries import mail_pages_open
from core.shared.errors import AppError, InvalidInput
from web.auth.form_pages import PROFILE, Form, FormPages
from web.rendering import message_page
from web.sessions import client_host

CONFIRM = Form("confirm", "confirm.html", ("password", "code"))
PASSWORD = Form("password", "password.html", ("current", "password"))
ADDRESS = Form("address", "address.html", ("email",))
FACTOR = Form("second-factor", "second_factor.html", ("code",))
# Where confirming the password leads: names, so that no address can be smuggled in.
THEN = {
    "profile": PROFILE,
    "address": "/auth/address",
    "second-factor": "/auth/second-factor",
    "my-data": "/app/my-data",
    "privacy-requests": "/app/privacy-requests",
    "people": "/app/people",
    "person": "/app/person",
    "billing": "/app/billing",
    "admin-billing": "/app/admin-billing",
    "admin-policy": "/app/admin-policy",
    "admin-mail": "/app/admin-mail",
}
ID = re.compile(r"[0-9a-f-]{36}")
BACK = (PROFILE, "Back to your profile")


class SecurityPages(FormPages):
    """The forms of a signed-in person."""

    def routes(self) -> list[BaseRoute]:
        """GET shows a form, POST takes it."""
        return [
            Route("/auth/confirm", self.show_confirm, methods=["GET"]),
            Route("/auth/confirm", self.take_confirm, methods=["POST"]),
            Route("/auth/password", self.show_password, methods=["GET"]),
            Route("/auth/password", self.take_password, methods=["POST"]),
            Route("/auth/address", self.show_address, methods=["GET"]),
            Route("/auth/address", self.take_address, methods=["POST"]),
            Route("/auth/second-factor", self.show_factor, methods=["GET"]),
            Route("/auth/second-factor", self.take_factor, methods=["POST"]),
        ]

    async def show_confirm(self, request: Request) -> Response:
        """Ask for the password again."""
        then = _then(request.query_params.get("then"))
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        person = request.query_params.get("person", "") if then == "person" else ""
        if session.is_confirmed(self.runtime.clock.now()):
            return RedirectResponse(_place(then, person), 303)
        return self._confirm_page(request, session, then, person[:36])

    async def take_confirm(self, request: Request) -> Response:
        """Check it, and go on to what asked for it."""
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        fields, ours = await self.read(request, CONFIRM, session)
        then, typed = _then(fields.get("then")), fields.get("typed", "")[:320]
        values = self._confirm_values(session, then, typed)
        if not ours:
            return self.draw_stale(request, CONFIRM, session=session, **values)
        try:
            code = fields.get("code", "")[:40]
            password = fields.get("password", "")
            await self.call(confirm_password, session, password, code=code, client_host=client_host(request))
        except AppError as error:
            return self.draw_error(request, CONFIRM, error, session=session, **values)
        if then == "address" and typed:
            return self.draw(request, ADDRESS, session=session, present=session.account.email, email=typed)
        return RedirectResponse(_place(then, typed), 303)

    async def show_password(self, request: Request) -> Response:
        """The form for a new password."""
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        return self.draw(request, PASSWORD, session=session, email=session.account.email)

    async def take_password(self, request: Request) -> Response:
        """Change the password; the other sign-ins end."""
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        fields, ours = await self.read(request, PASSWORD, session)
        email = session.account.email
        if not ours:
            return self.draw_stale(request, PASSWORD, session=session, email=email)
        current, password = fields.get("current", ""), fields.get("password", "")
        try:
            host = client_host(request)
            await self.call(change_password, session, current=current, password=password, client_host=host)
        except AppError as error:
            return self.draw_error(request, PASSWORD, error, session=session, email=email)
        text = "Your new password counts from now on. You are still signed in here, and nowhere else."
        return message_page(200, "Password changed", text, link=BACK)

    async def show_address(self, request: Request) -> Response:
        """The form for a new address, after the password."""
        session = await self._confirmed(request, "address")
        if isinstance(session, Response):
            return session
        return self.draw(request, ADDRESS, session=session, present=session.account.email, email="")

    async def take_address(self, request: Request) -> Response:
        """Mail a link to the new address."""
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        fields, ours = await self.read(request, ADDRESS, session)
        present, email = session.account.email, fields.get("email", "")[:320]
        if not ours:
            return self.draw_stale(request, ADDRESS, session=session, present=present, email=email)
        if not session.is_confirmed(self.runtime.clock.now()):
            return self._confirm_page(request, session, "address", email)
        try:
            await self.call(ask_address_change, session, email)
        except AppError as error:
            return self.draw_error(request, ADDRESS, error, session=session, present=present, email=email)
        text = "Open the link we mailed to the new address. Until then your account keeps the present one."
        link = ("/dev/mail", "See the mails of this machine") if mail_pages_open(self.runtime) else BACK
        return message_page(200, "Look into your mail", text, link=link)

    async def show_factor(self, request: Request) -> Response:
        """Off: a fresh key as a picture. On: what can be done with it."""
        session = await self._confirmed(request, "second-factor")
        return session if isinstance(session, Response) else await self._factor_page(request, session)

    async def take_factor(self, request: Request) -> Response:
        """Switch it on with a code, off, or make recovery codes anew."""
        session = await self._confirmed(request, "second-factor")
        if isinstance(session, Response):
            return session
        fields, ours = await self.read(request, FACTOR, session)
        if not ours:
            return await self._factor_page(request, session, stale=True)
        act, account = fields.get("act"), session.account
        try:
            if act == "on":
                codes = await self.call(second_factor.switch_on, account, fields.get("code", "")[:40])
            elif act == "codes" and account.has_second_factor:
                codes = await self.call(second_factor.renew_codes, account)
            elif act != "off":
                raise InvalidInput("UNKNOWN_ACT", "Choose what is to be done.")
            else:
                await self.call(second_factor.switch_off, account)
                return message_page(200, "The second factor is off", "Your password alone signs you in now.", link=BACK)
        except AppError as error:
            return await self._factor_page(request, session, error=error)
        return self.draw(request, Form("recovery", "recovery_codes.html"), session=session, codes=codes, back=PROFILE)

    async def _factor_page(
        self, request: Request, session: SessionView, *, error: AppError | None = None, stale: bool = False
    ) -> Response:
        account = session.account
        values: dict[str, Any] = {"on": account.has_second_factor, "back": PROFILE}
        if account.has_second_factor:
            values |= {"left": await self.call(second_factor.count_codes, account.id), "picture": "", "key": ""}
        else:
            # A key that waits is shown again: the phone that scanned it need not scan another.
            address = await self.call(second_factor.pending_address, account)
            if address is None:
                address = await self.call(second_factor.begin, account)
            key = address.split("secret=")[1].split("&")[0]
            picture = segno.make(address, error="m").svg_data_uri(scale=5, border=4, light="#ffffff")
            values |= {"picture": picture, "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)), "left": 0}
        if stale:
            return self.draw_stale(request, FACTOR, session=session, **values)
        if error is not None:
            return self.draw_error(request, FACTOR, error, session=session, **values)
        return self.draw(request, FACTOR, session=session, **values)

    async def _confirmed(self, request: Request, then: str) -> SessionView | Response:
        session = await self.session_of(request)
        if session is None:
            return _sign_in(PROFILE)
        if not session.is_confirmed(self.runtime.clock.now()):
            return RedirectResponse(f"/auth/confirm?then={then}", 303)
        return session

    def _confirm_page(self, request: Request, session: SessionView, then: str, typed: str = "") -> Response:
        return self.draw(request, CONFIRM, session=session, **self._confirm_values(session, then, typed))

    def _confirm_values(self, session: SessionView, then: str, typed: str) -> dict[str, Any]:
        """`typed`: what was entered before the password was asked for, kept for after it."""
        account = session.account
        return {"then": then, "typed": typed, "email": account.email, "factor": account.has_second_factor}


def _place(then: str, typed: str) -> str:
    """Where it leads: to a room, and for that of a person to theirs."""
    if then == "person" and ID.fullmatch(typed):
        return f"{THEN[then]}?person={typed}"
    return THEN[then]


def _then(wanted: str | None) -> str:
    return wanted if wanted in THEN else "profile"


def _sign_in(to: str) -> Response:
    return RedirectResponse("/auth/login?next=" + quote(to, safe="/"), 303)
