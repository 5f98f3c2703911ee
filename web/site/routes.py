"""The landing page, the privacy page, their files, and the answer for addresses that do not exist."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from web.headers import streamlit_folder
from web.rendering import message_page
from web.site.choices import ChoicePages
from web.site.drawing import SitePages
from web.site.plans import PLAN_CARDS
from web.site.policies import PolicyPages
from web.site.promises import PromisePages

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

STATIC = Path(__file__).with_name("static")
KEEP_A_DAY = {"Cache-Control": "public, max-age=86400"}
# The families of the app itself: one copy, that of the installed Streamlit.
FONTS = {"source-sans.woff2": "SourceSansVF-Upright", "source-code.woff2": "SourceCodeVF-Upright"}
MEDIA_TYPES = {".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with its size, so that the page does not jump when it arrives, and the screens it is for."""

    src: str
    width: int
    height: int
    media: str = ""


PICTURES = {
    "notebook-phone-dark.png": "(max-width: 40rem) and (prefers-color-scheme: dark)",
    "notebook-phone.png": "(max-width: 40rem)",
    "notebook-dark.png": "(prefers-color-scheme: dark)",
    "notebook.png": "",
}
"""The pictures of a notebook, each for the screens it fits; the first that fits is shown, the last fits all."""


def site_routes(runtime: Runtime) -> list[BaseRoute]:
    """Everything public that is not a form."""
    first = FirstPages(runtime)
    return [
        Route("/", first.landing),
        Route("/privacy", PromisePages(runtime).show),
        *ChoicePages(runtime).routes(),
        *PolicyPages(runtime, "privacy").routes(),
        *PolicyPages(runtime, "terms").routes(),
        SiteFiles(),
        Route("/favicon.ico", favicon),
        Route("/robots.txt", robots),
    ]


class FirstPages(SitePages):
    """The landing page."""

    async def landing(self, request: Request) -> Response:
        """What it is, a picture, three proofs, prices, start."""
        start = "/auth/register" if self.runtime.settings.signup == "open" else "/auth/login"
        pictures = notebook_pictures()
        return await self.draw(request, "landing.html", plans=PLAN_CARDS, pictures=pictures, start=start)


def favicon(request: Request) -> Response:
    """The mark, for readers that ask for the old name."""
    return FileResponse(STATIC / "mark.svg", media_type="image/svg+xml", headers=KEEP_A_DAY)


def robots(request: Request) -> Response:
    """Search engines may read the public pages only."""
    closed = ("app", "api", "v1", "auth", "setup", "review")
    lines = ["User-agent: *", *(f"Disallow: /{path}" for path in closed)]
    return PlainTextResponse("\n".join(lines) + "\n", headers=KEEP_A_DAY)


def notebook_pictures() -> list[Picture]:
    """The pictures there are, the one for every screen last. A PNG's size is in its bytes 16 to 24."""
    found = []
    for name, media in PICTURES.items():
        path = STATIC / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(24)
        if len(head) == 24 and head.startswith(b"\x89PNG"):
            width, height = struct.unpack(">II", head[16:24])
            found.append(Picture(f"/static/site/{name}", width, height, media))
    return found if found and not found[-1].media else []


def _files() -> dict[str, Path]:
    files = {path.name: path for path in STATIC.iterdir() if path.suffix in MEDIA_TYPES}
    for name, family in FONTS.items():
        found = sorted((streamlit_folder() / "static" / "media").glob(f"{family}*.woff2"))
        if found:
            files[f"fonts/{name}"] = found[0]
    return files


class SiteFiles(BaseRoute):
    """The files of the site by their exact names: what is not listed does not exist.

    Not a plain `Route`: Streamlit reserves `/static/` for itself even where its base path keeps it elsewhere.
    """

    PREFIX = "/static/site/"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Everything below the prefix."""
        ours = scope["type"] == "http" and scope["path"].startswith(self.PREFIX)
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        path = _files().get(scope["path"].removeprefix(self.PREFIX))
        response: Response
        if path is None:
            response = message_page(404, "Not found", "There is no such file.", link=("/", "To the first page"))
        elif scope["method"] not in ("GET", "HEAD"):
            response = PlainTextResponse("Method Not Allowed", 405, headers={"Allow": "GET, HEAD"})
        else:
            response = FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=KEEP_A_DAY)
        await response(scope, receive, send)


class UnknownAddress(Route):
    """Matches what is neither ours nor the app's, after every other route of ours."""

    def __init__(self) -> None:
        super().__init__("/{path:path}", not_found, include_in_schema=False)
        self.methods = None  # every method: nothing is here for any of them
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)  # an address may hold a line break (`%0A`)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The app's paths are left to Streamlit's own routes."""
        if scope["type"] == "http" and re.match(r"/app(/|$)", scope["path"]):
            return Match.NONE, {}
        return super().matches(scope)


def not_found(request: Request) -> Response:
    """A page for people who followed a wrong link."""
    return message_page(404, "Not found", "There is nothing at this address.", link=("/", "To the first page"))
