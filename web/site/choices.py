"""`/privacy/choices`: yes or no to measuring, for visitors and people who are signed in, without JavaScript."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.accounts.consent_rules import current_text
from core.accounts.consents import ANALYTICS, choose
from web.auth.form_pages import Form, FormPages
from web.choices import keep_choice, sends_signal, standing

CHOICES = Form("choices", "choices.html")
BANNER = "choices"
ON_SITE = ("/privacy", "/terms")


class ChoicePages(FormPages):
    """The page of choices; the banner of other pages sends its form here too."""

    def routes(self) -> list[BaseRoute]:
        """GET shows how it stands, POST takes a choice."""
        return [
            Route("/privacy/choices", self.show, methods=["GET"]),
            Route("/privacy/choices", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """How this browser stands, with both buttons."""
        return await self._page(request)

    async def take(self, request: Request) -> Response:
        """Record a yes or a no, and go back to where it was asked."""
        session = await self.session_of(request)
        fields, ours = await self.read(request, CHOICES)
        if not ours or fields.get("choice") not in ("yes", "no"):
            return await self._page(request, stale=True)
        granted = fields["choice"] == "yes"
        if granted and sends_signal(request.headers):
            return await self._page(request)
        if session is not None:
            await self.call(choose, session.account.id, {ANALYTICS: granted}, source="banner")
        response = RedirectResponse(_back(fields.get("next", "")), 303)
        keep_choice(self.runtime, response, granted=granted)
        return response

    async def _page(self, request: Request, *, stale: bool = False) -> Response:
        session = await self.session_of(request)
        asked = await self.call(standing, request, session.account.id if session else None)
        values: dict[str, Any] = {"asked": asked, "about": current_text(ANALYTICS)}
        if stale:
            return self.draw_stale(request, CHOICES, **values)
        return self.draw(request, CHOICES, **values)


def _back(wanted: str) -> str:
    """A public page of ours, else the page of choices."""
    plain = wanted.isascii() and wanted.isprintable() and not any(c in wanted for c in "\\?#:")
    known = wanted == "/" or wanted in ON_SITE or wanted.startswith(tuple(f"{path}/" for path in ON_SITE))
    return wanted if plain and known and "//" not in wanted and ".." not in wanted else "/privacy/choices"
