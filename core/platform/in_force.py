"""The settings in force, as operators may see them, and the facts of this process. Secrets are only said to be set."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from core.platform.disk import DiskSpace
from core.platform.privacy_settings import PrivacySettings
from core.platform.runtime import Runtime
from core.platform.settings import Settings

MASKED = "•••"


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting: its variable, its value in words (a secret's is only whether there is one), and whether it was set."""

    variable: str
    value: str
    description: str
    is_set: bool
    is_secret: bool


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What runs here. `revision`: the newest migration that the database has."""

    version: str
    python: str
    database: str
    revision: str
    disk: DiskSpace
    started_at: datetime | None


def settings_in_force(settings: Settings) -> tuple[SettingView, ...]:
    """Every setting, in the order in which they are declared; those that the privacy policy speaks of last."""
    views = []
    fields = type(settings).model_fields
    for name, info in sorted(fields.items(), key=lambda field: field[0] in PrivacySettings.model_fields):
        value, secret = getattr(settings, name), not info.repr
        is_set = name in settings.model_fields_set and value != info.default
        shown = _secret(name, value) if secret else _plain(value)
        views.append(SettingView(info.alias or name, shown, info.description or "", is_set, secret))
    return tuple(views)


def process_facts(runtime: Runtime) -> ProcessFacts:
    """This process, its database and its disk."""
    with runtime.database.connect() as connection:
        number = connection.scalar(text("SELECT version_num FROM alembic_version"))
        asked = "SELECT sqlite_version()" if runtime.database.is_sqlite else "SHOW server_version"
        release = str(connection.scalar(text(asked))).split(" ")[0]
    kind = "SQLite" if runtime.database.is_sqlite else "PostgreSQL"
    return ProcessFacts(
        version=_own_version(),
        python=platform.python_version(),
        database=f"{kind} {release}",
        revision=str(number),
        disk=runtime.measure_disk(runtime.settings.data_dir),
        started_at=runtime.started_at,
    )


def mask_url(url: str) -> str:
    """An address without its user, password and query, which may hold one too. What is no address is masked whole."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return MASKED
    if not parts.scheme or "://" not in url:
        return MASKED
    host = f"[{host}]" if ":" in host else host
    who = f"{MASKED}@" if parts.username or parts.password else ""
    rest = f"?{MASKED}" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{who}{host}{port}{parts.path}{rest}"


def _secret(name: str, value: Any) -> str:
    if not value:
        return "not set"
    return mask_url(value) if name.endswith("_url") and isinstance(value, str) else "set"


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_plain, value))
    shown = str(value)
    return mask_url(shown) if "://" in shown else shown


def _own_version() -> str:
    try:
        return version("stepiq")
    except PackageNotFoundError:
        return "from source"
