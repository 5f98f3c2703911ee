"""P12 and P23: what the installation answers when it is asked over the network, as a first visitor would ask."""

from urllib.parse import urlsplit

import httpx

from core.platform.mail.domain import is_loopback
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, broken, counted, kept, unknown
from core.privacy.policies.tables import COOKIES

PAGES = ("/", "/privacy", "/privacy/policy", "/terms", "/auth/login", "/auth/register")
NEEDED = frozenset(name for name, _, _ in COOKIES) - {"stepiq_choice"}
"""What a visitor who has chosen nothing may be given."""
SECONDS = 5.0


def cookies(runtime: Runtime) -> Finding:
    """P12: a fresh visit of the public pages sets only necessary cookies, HttpOnly, SameSite, Secure on https."""
    settings = runtime.settings
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    foreign = careless = seen = 0
    for path in PAGES:
        answer = _ask(f"http://{f'[{host}]' if ':' in host else host}:{settings.port}{path}")
        if answer is None:
            return unknown("The server does not answer where this check runs: it is looked at again while it serves.")
        for cookie in answer.headers.get_list("set-cookie"):
            seen += 1
            name, _, rest = cookie.partition("=")
            attributes = rest.lower()
            foreign += name.removeprefix("__Host-") not in NEEDED
            plain = "httponly" not in attributes or "samesite=lax" not in attributes
            careless += plain or (settings.is_https and "; secure" not in attributes)
    figures = {"pages": len(PAGES), "cookies": seen, "not_needed": foreign, "careless": careless}
    if foreign or careless:
        return broken(
            f"A first visit of {len(PAGES)} pages set {counted(foreign, 'cookie')} that is not needed and "
            f"{counted(careless, 'cookie')} without its protections.",
            **figures,
        )
    return kept(f"A first visit of {len(PAGES)} pages set {counted(seen, 'cookie')}, all necessary.", **figures)


def transport(runtime: Runtime) -> Finding:
    """P23: the public address is https with a certificate that holds, and tells browsers to stay there."""
    settings = runtime.settings
    if not settings.is_https:
        if settings.env == "production":
            return broken("The public address of this installation is plain http.", https=0)
        local = is_loopback(urlsplit(settings.public_url).hostname or "")
        where = "on this machine only" if local else "without https"
        return unknown(f"This is a development installation, served {where}: nothing to be told about TLS.", https=0)
    answer = _ask(settings.public_url + "/auth/login")
    if answer is None:
        return unknown("The public address does not answer from here, or its certificate does not hold.", https=1)
    hsts = "strict-transport-security" in answer.headers
    plain = sum("; secure" not in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))
    if not hsts or plain:
        return broken(
            "The public address answers over TLS, but lets browsers come back without it.", https=1, plain_cookies=plain
        )
    return kept("The public address answers over TLS, and browsers are told to use nothing else.", https=1)


def _ask(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=SECONDS, trust_env=False, follow_redirects=False)
    except httpx.HTTPError:
        return None
