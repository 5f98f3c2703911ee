"""Serving: the server, workers of their own, the schema, the first link."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from core.accounts import commands as accounts
from core.bootstrap import set_runtime
from core.cli.console import ROOT, app, fail, open_runtime
from core.platform.garbage import tune_collector


@app.command()
def serve(
    roles: Annotated[
        str | None, typer.Option(help="Some of web,worker,scheduler; all of them where not given.")
    ] = None,
) -> None:
    """Serve the site, the app and the API."""
    import uvicorn

    runtime = open_runtime(**({} if roles is None else {"roles": roles}))
    link = accounts.owner_link(runtime)
    settings = runtime.settings
    typer.echo(f"stepIQ is at {settings.public_url}")
    if link:
        typer.echo(f"Make the owner's account: {link}")
    if settings.is_https and not settings.trusted_proxies:
        typer.echo("STEPIQ_TRUSTED_PROXIES is empty: at sign-in your proxy's clients count as one.", err=True)
    sys.stdout.flush()
    set_runtime(runtime)
    # Streamlit reads its own port for the origin checks and links it makes.
    os.environ.setdefault("STREAMLIT_SERVER_PORT", str(settings.port))
    os.environ.setdefault("STREAMLIT_SERVER_ADDRESS", settings.host)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    tune_collector()
    uvicorn.run(
        "app:app",
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than clients and proxies keep theirs, so that none is closed under a request
        proxy_headers=False,  # STEPIQ_TRUSTED_PROXIES says whose X-Forwarded-For counts
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker(
    concurrency: Annotated[int | None, typer.Option(min=1, help="Runs to advance at once.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Answer /api/health, /api/ready and /api/metrics there, at HOST."),
    ] = None,
) -> None:
    """Advance runs from the queue, on this machine or another (PostgreSQL)."""
    runtime = open_runtime(**({} if concurrency is None else {"worker_concurrency": concurrency}))
    if runtime.database.is_sqlite:
        raise fail("A worker of its own needs PostgreSQL: set DATABASE_URL. With SQLite the server advances runs.", 2)
    stopped = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stopped.set())
    set_runtime(runtime)
    with _answering(runtime.settings.host, port):
        tune_collector()
        runtime.dispatcher.start()
        typer.echo("The worker takes runs from the queue. Ctrl-C hands them over and stops.")
        sys.stdout.flush()
        stopped.wait()
        runtime.dispatcher.stop()


@contextmanager
def _answering(host: str, port: int | None) -> Iterator[None]:
    """A worker's face over HTTP meanwhile, in a thread of its own; nothing without a port."""
    if port is None:
        yield
        return
    import uvicorn

    sys.path.insert(0, str(ROOT))  # what answers lies beside `core`
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
            door.listen()  # who asks before the thread is ready waits
        except OSError as error:
            raise fail(
                f"Nothing can be answered at {host}:{port}: {error.strerror}. Choose another --port.", 2
            ) from None
        config = uvicorn.Config("web.worker:make", factory=True, log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([door],), name="face", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(timeout=5)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    open_runtime()
    typer.echo("The database is up to date.")


@app.command("owner-link")
def owner_link() -> None:
    """Print a one-time link that makes the owner's account."""
    link = accounts.owner_link(open_runtime())
    if link is None:
        raise fail("The owner's account exists already.")
    typer.echo(link)
