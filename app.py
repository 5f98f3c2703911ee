"""The ASGI application: public site, sign-in, API and the Streamlit app in one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st

from core.analytics.console.commands import delete_copies
from core.bootstrap import get_runtime
from core.platform.logging import configure_logging
from jobs.scheduler import start_scheduler
from pages.ui.interruptions import let_callbacks_end
from web.middleware import build_middleware
from web.routes import build_routes

runtime = get_runtime()
configure_logging(json=runtime.settings.env == "production")
let_callbacks_end()


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Start what runs beside the requests, and stop it cleanly."""
    if runtime.settings.has_role("worker"):
        runtime.dispatcher.start()
    scheduler = start_scheduler(runtime) if runtime.settings.has_role("scheduler") else None
    try:
        yield
    finally:
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        runtime.dispatcher.stop()
        runtime.events.close()
        delete_copies(runtime)


app = st.App("pages/shell.py", routes=build_routes(runtime), middleware=build_middleware(runtime), lifespan=lifespan)
