"""`/privacy/request`, `/privacy/confirm` and `/privacy/copy`: rights without signing in. Opening a link does nothing.

The page says the same whoever has an account or not.
"""

from __future__ import annotations

from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core.platform.mail.queries import mail_pages_open
from core.privacy.by_form import ask_by_form, confirm_by_link, link_right
from core.privacy.copy_links import check_copy_link, fetch_by_link
from core.privacy.domain import Right
from core.privacy.rights import WORDS
from core.shared.errors import AppError
from web.auth.form_pages import Form, FormPages
from web.errors import status_of
from web.rendering import message_page
from web.sessions import client_host

ASK = Form("privacy-request", "privacy_request.html", ("email", "right", "text"))
CONFIRM = Form("privacy-confirm", "privacy_confirm.html")
COPY = Form("privacy-copy", "privacy_copy.html")
RIGHTS: tuple[tuple[Right, str], ...] = tuple((right, words.title["en"]) for right, words in WORDS.items())
AGAIN = ("/privacy/request", "Ask again")
MY_DATA = ("/app/my-data", "See your request")


class PrivacyRequestPages(FormPages):
    """The forms for people who do not sign in."""

    def routes(self) -> list[BaseRoute]:
        """GET shows a form, POST takes it."""
        return [
            Route("/privacy/request", self.show, methods=["GET"]),
            Route("/privacy/request", self.take, methods=["POST"]),
            Route("/privacy/confirm", self.show_confirm, methods=["GET"]),
            Route("/privacy/confirm", self.take_confirm, methods=["POST"]),
            Route("/privacy/copy", self.show_copy, methods=["GET"]),
            Route("/privacy/copy", self.take_copy, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form."""
        return self.draw(request, ASK, rights=RIGHTS, email="", right="", text="")

    async def take(self, request: Request) -> Response:
        """Mail a link where there is an account; the page is the same where there is none."""
        fields, ours = await self.read(request, ASK)
        email, right, text = fields.get("email", "")[:320], fields.get("right", ""), fields.get("text", "")[:20_000]
        typed: dict[str, Any] = {"rights": RIGHTS, "email": email, "right": right, "text": text}
        if not ours:
            return self.draw_stale(request, ASK, **typed)
        errors = {}
        if not email.strip():
            errors["email"] = "Enter the e-mail address of your account."
        if right not in get_args(Right):
            errors["right"] = "Choose what you ask for."
        if errors:
            return self.draw(request, ASK, status=422, errors=errors, **typed)
        try:
            await self.call(ask_by_form, email=email, right=right, text=text, client_host=client_host(request))
        except AppError as error:
            return self.draw_error(request, ASK, error, **typed)
        said = (
            "If there is an account with this address, a mail is on its way to it. Open the link in it and press the "
            "button there: that shows that it is you who asks. It works for 7 days. Your time of at most 30 days for "
            "an answer has begun."
        )
        link = ("/dev/mail", "See the mails of this machine") if mail_pages_open(self.runtime) else ("/", "Done")
        return message_page(200, "Look into your mail", said, link=link)

    async def show_confirm(self, request: Request) -> Response:
        """Ask before anything is done: what scans mails opens links."""
        token = request.query_params.get("token", "")[:200]
        try:
            right = await self.call(link_right, token)
        except AppError as error:
            return message_page(403, "This link does not work", error.message, link=AGAIN)
        return self.draw(request, CONFIRM, token=token, right=right, title=WORDS[right].title["en"])

    async def take_confirm(self, request: Request) -> Response:
        """Go on with the request."""
        fields, ours = await self.read(request, CONFIRM)
        token = fields.get("token", "")[:200]
        try:
            right = await self.call(link_right, token)
            if not ours:
                return self.draw_stale(request, CONFIRM, token=token, right=right, title=WORDS[right].title["en"])
            view = await self.call(confirm_by_link, token)
        except AppError as error:
            title = "This link does not work" if error.code == "LINK_INVALID" else "This cannot be done"
            return message_page(status_of(error), title, error.message, link=AGAIN)
        said = f"Your request is answered by {view.due_at:%d %B %Y} at the latest, by mail."
        if view.right == "erasure":
            said += " The deletion begins in 72 hours; until then it can be taken back under My data."
        elif not view.is_open:
            said = "Done. A mail says so, too."
        return message_page(200, "Thank you", said, link=MY_DATA)

    async def show_copy(self, request: Request) -> Response:
        """The copy of somebody whose account is suspended; opening the link fetches nothing."""
        token = request.query_params.get("token", "")[:200]
        try:
            await self.call(check_copy_link, token)
        except AppError as error:
            return message_page(403, "This link does not work", error.message, link=AGAIN)
        return self.draw(request, COPY, token=token)

    async def take_copy(self, request: Request) -> Response:
        """Send it, decrypted on the way out."""
        fields, ours = await self.read(request, COPY)
        token = fields.get("token", "")[:200]
        if not ours:
            return self.draw_stale(request, COPY, token=token)
        try:
            fetch = await self.call(fetch_by_link, token)
        except AppError as error:
            return message_page(status_of(error), "This link does not work", error.message, link=AGAIN)
        headers = {
            "Content-Disposition": f'attachment; filename="{fetch.name}"',
            "Content-Length": str(fetch.size),
            "Cache-Control": "no-store",
        }
        return StreamingResponse(fetch.pieces, 200, headers, media_type="application/zip")
