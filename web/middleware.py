"""What every request passes before a route sees it, outermost first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from web.body_limit import BodyLimit
from web.gate import Gate
from web.headers import SecurityHeaders

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def build_middleware(runtime: Runtime) -> list[Middleware]:
    """Headers and failures, then the gate of the app, then the limit on bodies."""
    return [
        Middleware(SecurityHeaders, https=runtime.settings.is_https),
        Middleware(Gate, runtime=runtime),
        Middleware(BodyLimit, largest_file=runtime.settings.file_max_bytes),
    ]
