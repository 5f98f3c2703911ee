"""What every request passes before a route sees it, outermost first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from web.body_limit import BodyLimit
from web.gate import Gate
from web.headers import SecurityHeaders
from web.metered import Metered

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def build_middleware(runtime: Runtime) -> list[Middleware]:
    """Who is asking where a trusted proxy says it, headers and failures, the gate of the app, the limit on bodies."""
    proxies = runtime.settings.trusted_proxies
    return [
        *([Middleware(ProxyHeadersMiddleware, trusted_hosts=list(proxies))] if proxies else []),
        *([Middleware(Metered, meters=runtime.meters)] if runtime.meters is not None else []),
        Middleware(SecurityHeaders, https=runtime.settings.is_https),
        Middleware(Gate, runtime=runtime),
        Middleware(BodyLimit, largest_file=runtime.settings.file_max_bytes),
    ]
