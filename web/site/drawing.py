"""What the public pages share: drawing over one runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from web.rendering import page

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

KEEP_SHORTLY = {"Cache-Control": "public, max-age=300"}


class SitePages:
    """Public pages over one runtime. Core's functions are blocking, so they are called in a thread."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def draw(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A public page, the same for everybody."""
        return page(template, status=status, headers=KEEP_SHORTLY, **values)
