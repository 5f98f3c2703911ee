"""What the public pages share: drawing over one runtime, with the banner that asks where something asks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from core.accounts.consent_rules import current_text
from core.accounts.consents import ANALYTICS, uses_device_analytics
from core.accounts.queries import find_session
from web.choices import Asked, standing
from web.forms import FormGuard
from web.rendering import page
from web.sessions import cookie_token

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

KEEP_SHORTLY = {"Cache-Control": "public, max-age=300"}
KEEP_NOWHERE = {"Cache-Control": "private, no-store"}  # it differs by what a browser chose
FORM = "choices"


class SitePages:
    """Public pages over one runtime. Core's functions are blocking, so they are called in a thread."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def draw(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A public page: the same for everybody, but where measuring needs a choice."""
        if not uses_device_analytics(self.runtime):
            return page(template, status=status, headers=KEEP_SHORTLY, measures=False, **values)
        asked = await to_thread.run_sync(self._asked, request)
        if asked is None or not asked.is_open:
            return page(template, status=status, headers=KEEP_NOWHERE, measures=True, **values)
        guard = FormGuard(self.runtime, request, FORM)
        banner = {"token": guard.token(), "about": current_text(ANALYTICS), "here": request.url.path}
        drawn = partial(page, template, status=status, headers=KEEP_NOWHERE, measures=True, banner=banner)
        return guard.keep(drawn(**values))

    def _asked(self, request: Request) -> Asked | None:
        token = cookie_token(self.runtime, request.headers)
        session = find_session(self.runtime, token) if token else None
        return standing(self.runtime, request, session.account.id if session else None)
