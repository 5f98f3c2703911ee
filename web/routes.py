"""Every route that is not Streamlit's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from web.api.app import build_api
from web.auth.recovery import RecoveryPages
from web.auth.registration import RegistrationPages
from web.auth.security import SecurityPages
from web.auth.setup import SetupPages
from web.auth.signing import SigningPages
from web.dev.mail import MailPages
from web.origins import APP_HOME
from web.site.privacy_requests import PrivacyRequestPages
from web.site.review import ReviewPages
from web.site.routes import UnknownAddress, site_routes

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


class WholeMount(Mount):
    """Takes every address below its own; the framework's lets one with a line break (`%0A`) in it go on."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def build_routes(runtime: Runtime) -> list[BaseRoute]:
    """Site, sign-in and API, in the order they are tried; Streamlit's own come after them."""
    api = build_api(runtime)
    return [
        *site_routes(runtime),
        *SigningPages(runtime).routes(),
        *SetupPages(runtime).routes(),
        *RegistrationPages(runtime).routes(),
        *RecoveryPages(runtime).routes(),
        *SecurityPages(runtime).routes(),
        *MailPages(runtime).routes(),
        *PrivacyRequestPages(runtime).routes(),
        *ReviewPages(runtime).routes(),
        Route("/app", app_home),
        WholeMount("/v1/api", api),
        WholeMount("/api", api),
        UnknownAddress(),
    ]


def app_home(request: Request) -> Response:
    """The app's address without its slash. The router would redirect to an absolute one, made of the Host header."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(APP_HOME + query, 307)
