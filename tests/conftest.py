"""Fixtures on real parts: a Runtime over SQLite and over PostgreSQL. Only loopback can be reached."""

import ipaddress
import os
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.bootstrap import build_runtime, prepare
from core.platform.garbage import tune_collector
from core.platform.runtime import Runtime
from core.platform.settings import Settings, load_settings
from tests.support.clock import FixedClock
from tests.support.memory import memory_folder
from tests.support.postgres import new_database, new_migrated_database
from tests.support.sqlite import put_migrated_database
from tests.support.statements import share_compiled_statements
from tests.support.trust import leave_out_public_authorities

PASSWORD = "correct horse battery staple"

for name in list(os.environ):
    settings = (
        name.startswith(
            ("STEPIQ_", "LLAMA_", "STRIPE_", "DATABASE_URL", "OUTBOUND_", "SMTP_", "MAIL_", "POSTHOG_", "LAKE_", "AWS_")
        )
        and name != "STEPIQ_SCREENSHOTS"
    )
    if name.endswith(("_API_KEY", "_BASE_URL")) or settings:
        del os.environ[name]

if (memory := memory_folder()) is not None:  # a checkpoint of SQLite waits for the disk: once a Runtime, at least
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))

_connect = socket.socket.connect


def _connect_to_loopback(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise OSError(f"tests reach only loopback, not {host}")
    _connect(self, address)


socket.socket.connect = _connect_to_loopback  # type: ignore[method-assign]
leave_out_public_authorities()
# Without pictures of every local variable, which are dear to draw.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
share_compiled_statements()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """What a module makes once, such as a server, is made once: its tests stay in one of the parallel processes.

    Before the others: pytest-xdist reads the groups in the same hook.
    """
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("xdist_group") is None:
            fixtures = item._fixtureinfo.name2fixturedefs.values()
            if any(made.scope == "module" for each in fixtures for made in each):
                item.add_marker(pytest.mark.xdist_group(item.module.__name__))
        called = getattr(item, "callspec", None)
        if called and "postgres" in called.params.values() and item.get_closest_marker("slow_on_postgres"):
            item.add_marker(pytest.mark.slow)
    yield


@pytest.fixture
def settings_with(tmp_path: Path) -> Callable[..., Settings]:
    """Settings over a data folder of the test's own."""

    def make(**values: Any) -> Settings:
        base: dict[str, Any] = {"data_dir": tmp_path / "data", "bcrypt_cost": 4, "demo_pace_ms": 0}
        return load_settings(_env_file=None, **{**base, **values})

    return make


@pytest.fixture
def clock() -> FixedClock:
    """A clock of the test's own, for a Runtime that is made with it."""
    return FixedClock()


@pytest.fixture(params=["sqlite", "postgres"])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings that choose a database: every test that asks runs on both.

    The key store beside PostgreSQL is a file here, which costs a test nothing; `postgres_keys` makes it a database.
    """
    if request.param == "sqlite":
        return {}
    if "postgres_keys" in request.fixturenames:
        return {"database_url": new_migrated_database(), "key_store_url": new_database()}
    return {"database_url": new_migrated_database(), "key_store_url": f"sqlite:///{tmp_path / 'keys.db'}"}


@pytest.fixture
def postgres_keys() -> None:
    """Asks for a key store in PostgreSQL where the data is there."""


@pytest.fixture
def runtime_with(settings_with: Callable[..., Settings]) -> Iterator[Callable[..., Runtime]]:
    """Make prepared Runtimes; they are stopped after the test."""
    made: list[Runtime] = []

    def make(*, clock: Any = None, **values: Any) -> Runtime:
        settings = settings_with(**values)
        if not settings.database_url:
            put_migrated_database(settings.data_dir)
        runtime = build_runtime(settings, clock=clock)
        prepare(runtime)
        runtime.events.by_itself = False  # a test that counts statements, or holds the writer, is alone with them
        made.append(runtime)
        return runtime

    yield make
    for runtime in made:
        runtime.dispatcher.stop()
        runtime.events.discard()
        runtime.database.dispose()


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    """A prepared Runtime, once on SQLite and once on PostgreSQL."""
    return runtime_with(**database_settings)


@pytest.fixture
def sqlite_runtime(runtime_with: Callable[..., Runtime]) -> Runtime:
    """A prepared Runtime on SQLite, for what does not touch SQL itself."""
    return runtime_with()


@pytest.fixture
def owner(runtime: Runtime) -> Account:
    """A person on the plan without limits."""
    return create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada")


def pytest_collection_finish() -> None:
    """What is loaded by now stays: nobody looks through it for garbage a hundred times."""
    tune_collector()
