"""`/dev/mail`: the mails of a development installation, which go nowhere else.

No sign-in is asked, because the codes that lead to one are read here. So the pages exist only where nothing but
this machine is served: in development, without `SMTP_URL`, listening on loopback under a loopback address; and each
request must come from this machine and name it. The name keeps out pages elsewhere that rebind theirs to loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from core.platform.mail.domain import FiledMail, is_loopback
from core.platform.mail.queries import get_filed_mail, list_filed_mails, mail_pages_open
from web.rendering import page
from web.site.routes import not_found

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

SHOWN = 100
PRIVATE = {"Cache-Control": "no-store"}


class MailPages:
    """The list, one mail, and its HTML part for the frame of that page."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def routes(self) -> list[BaseRoute]:
        """None where the pages do not exist."""
        if not mail_pages_open(self._runtime):
            return []
        return [
            Route("/dev/mail", self.show_list, methods=["GET"]),
            Route("/dev/mail/{mail_id}", self.show_mail, methods=["GET"]),
            Route("/dev/mail/{mail_id}/html", self.show_html, methods=["GET"]),
        ]

    async def show_list(self, request: Request) -> Response:
        """The newest mails, or what will appear here."""
        if not _from_this_machine(request):
            return not_found(request)
        mails = await to_thread.run_sync(lambda: list_filed_mails(self._runtime, limit=SHOWN))
        return page("dev_mails.html", headers=PRIVATE, mails=mails, shown=SHOWN)

    async def show_mail(self, request: Request) -> Response:
        """One mail as text, and as its reader sees it."""
        mail = await self._find(request)
        return page("dev_mail.html", headers=PRIVATE, mail=mail) if mail else not_found(request)

    async def show_html(self, request: Request) -> Response:
        """The HTML part alone. `web.headers` gives it a policy of its own: no script, nothing loaded, sandboxed."""
        mail = await self._find(request)
        if mail is None:
            return not_found(request)
        # Links open beside the frame: no page of ours lets itself be framed.
        return HTMLResponse(mail.html.replace("<head>", '<head><base target="_blank">', 1), headers=PRIVATE)

    async def _find(self, request: Request) -> FiledMail | None:
        if not _from_this_machine(request):
            return None
        return await to_thread.run_sync(get_filed_mail, self._runtime, request.path_params["mail_id"])


def _from_this_machine(request: Request) -> bool:
    hosts = request.headers.getlist("host")
    if request.client is None or not is_loopback(request.client.host) or len(hosts) != 1:
        return False
    try:
        return is_loopback(urlsplit(f"//{hosts[0]}").hostname or "")
    except ValueError:
        return False
