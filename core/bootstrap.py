"""The composition root: builds the one frozen Runtime of a process."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.accounts.commands import ensure_operator
from core.analytics.writer import EventWriter
from core.credits.price_books import PriceBooks
from core.execution.definition_schedules import DefinitionSchedules
from core.execution.local import LocalDispatcher
from core.execution.queue import QueueDispatcher, apply_queue_schema
from core.execution.run_retention import count_before
from core.pipelines.definition import STEP_TYPES
from core.platform.database import Database
from core.platform.files.blobs import FolderBlobs
from core.platform.keystore import KeyStore
from core.platform.mail.mailer import build_mailer
from core.platform.master_key import master_keys
from core.platform.outbound import Outbound, parse_allowlist
from core.platform.runtime import Runtime
from core.platform.settings import Settings, load_settings
from core.platform.slow import SlowLog
from core.platform.vault import Vault
from core.privacy.erasure.commands import replay_tombstones
from core.privacy.inventory import check_inventory
from core.privacy.policies.commands import keep_first_versions
from core.providers.catalogue import Catalogue
from core.providers.domain import PartnerConfig, ProviderConfig
from core.providers.router import Providers
from core.shared.clock import Clock, SystemClock
from core.shared.ids import Ids, Uuid7Ids

if TYPE_CHECKING:
    from core.analytics.meters import Meters
    from core.credits.payments.gateway import Gateway

MIGRATIONS = Path(__file__).parent / "platform" / "migrations"

_current: Runtime | None = None
_lock = Lock()


def build_runtime(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None) -> Runtime:
    """A Runtime over these settings. Nothing is started; `prepare` makes the stores."""
    check_inventory()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "keys").mkdir(mode=0o700, exist_ok=True)
    clock = clock or SystemClock()
    keys = KeyStore(settings.key_store, lambda: master_keys(settings), clock)
    config = provider_config(settings)
    catalogue = Catalogue(config)
    outbound = Outbound(parse_allowlist(settings.outbound_allowlist))
    database = Database(settings.database)
    slow = SlowLog(clock, query_ms=settings.slow_query_ms, page_ms=settings.slow_page_ms)
    slow.watch(database.engine)
    dispatcher = (
        LocalDispatcher()
        if database.is_sqlite
        else QueueDispatcher(settings.worker_concurrency, settings.runs_per_person)
    )
    runtime = Runtime(
        settings=settings,
        clock=clock,
        ids=ids or Uuid7Ids(),
        database=database,
        vault=Vault(keys),
        blobs=FolderBlobs(settings.blobs),
        catalogue=catalogue,
        prices=PriceBooks(),
        providers=Providers(config, outbound=outbound, demo_pace_seconds=settings.demo_pace_ms / 1000),
        outbound=outbound,
        dispatcher=dispatcher,
        follower=DefinitionSchedules(),
        mail=build_mailer(settings),
        events=EventWriter(),
        count_runs_before=count_before,
        slow=slow,
        payments=_build_gateway(settings),
        started_at=clock.now(),
        meters=_build_meters(settings, catalogue),
    )
    keys.prepare()
    dispatcher.bind(runtime)
    runtime.events.bind(runtime)
    return runtime


def _build_gateway(settings: Settings) -> Gateway | None:
    if not settings.stripe_secret_key:
        return None
    from core.credits.payments.stripe_gateway import StripeGateway  # the SDK takes half a second to load

    return StripeGateway(settings.stripe_secret_key, settings.stripe_webhook_secret, settings.stripe_api_base)


def _build_meters(settings: Settings, catalogue: Catalogue) -> Meters | None:
    if not settings.metrics_token:
        return None
    from core.analytics.meters import Meters  # a quarter of a second to load, for who reads them

    return Meters(frozenset(catalogue.providers()), frozenset(STEP_TYPES))


def prepare(runtime: Runtime) -> None:
    """Bring the database to the newest schema, with the system's own account, today's prices and the first policies.

    Safe to repeat. Whoever was erased and came back with a backup is erased again, before anything is served.
    """
    migrate(runtime.database)
    if runtime.settings.lake_bucket is not None:
        from core.analytics.lake_bucket import tidy  # loads what only a bucket needs

        tidy(runtime)
    ensure_operator(runtime)
    replay_tombstones(runtime)
    runtime.prices.current(runtime)
    keep_first_versions(runtime)


def migrate(database: Database) -> None:
    """Bring a database to the newest schema; on PostgreSQL with the queue's tables."""
    if _revision(database) != newest_revision():
        # Imported here: most starts find the newest schema, and loading every migration would double a short command.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = database.engine
        command.upgrade(config, "head")
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            apply_queue_schema(connection)


def newest_revision() -> str:
    """The id of the newest migration: migrations are files that are numbered, and named after their revision."""
    return max(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(database: Database) -> str | None:
    """The revision a database is at; None for a new one."""
    try:
        with database.engine.connect() as connection:
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:  # there is no such table; a database that cannot be reached says so to the migration
        return None
    return found


def provider_config(settings: Settings) -> ProviderConfig:
    """The providers' part of the settings."""
    partners = tuple(
        PartnerConfig(
            p.name,
            p.base_url,
            p.api_key,
            p.models,
            p.prices,
            p.region,
            p.terms_url,
            p.terms_dated.isoformat() if p.terms_dated else "",
            p.safeguard,
        )
        for p in settings.llama_partners
    )
    return ProviderConfig(
        anthropic_api_key=settings.anthropic_api_key or None,
        anthropic_base_url=settings.anthropic_base_url or None,
        openai_api_key=settings.openai_api_key or None,
        openai_base_url=settings.openai_base_url or None,
        partners=partners,
    )


def get_runtime() -> Runtime:
    """The process's Runtime, made and prepared at first use."""
    global _current
    with _lock:
        if _current is None:
            _current = build_runtime(load_settings())
            prepare(_current)
        return _current


def set_runtime(runtime: Runtime | None) -> None:
    """Make a Runtime the process's own (an application that built it, or a test)."""
    global _current
    with _lock:
        _current = runtime
