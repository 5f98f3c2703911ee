"""The Runtime: everything a command needs, made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from core.platform.database import Database
from core.platform.disk import MeasureDisk, measure_disk
from core.platform.files.blobs import BlobStore
from core.platform.outbound import Outbound
from core.platform.pulse import Pulse
from core.platform.settings import Settings
from core.platform.slow import SlowLog
from core.platform.vault import Vault
from core.shared.clock import Clock
from core.shared.ids import Ids

if TYPE_CHECKING:
    from core.analytics.meters import Meters
    from core.analytics.writer import EventWriter
    from core.credits.payments.gateway import Gateway
    from core.credits.price_books import PriceBooks
    from core.execution.domain import Dispatcher
    from core.pipelines.following import Follower
    from core.platform.mail.mailer import Mailer
    from core.providers.catalogue import Catalogue
    from core.providers.router import Providers


@dataclass(frozen=True)
class Runtime:
    """Frozen; passed as the first argument of every command and query."""

    settings: Settings
    clock: Clock
    ids: Ids
    database: Database
    vault: Vault
    blobs: BlobStore
    catalogue: Catalogue
    prices: PriceBooks
    providers: Providers
    outbound: Outbound
    dispatcher: Dispatcher
    follower: Follower
    mail: Mailer
    events: EventWriter
    count_runs_before: Callable[[Session, str, datetime], int]
    """How many ended runs of a person were asked for before a moment: for rooms that know no runs."""
    slow: SlowLog
    """Statements and pages that took longer than they should."""
    payments: Gateway | None = None
    """Where people pay; None where payment is not configured, and an admin sets plans."""
    measure_disk: MeasureDisk = measure_disk
    started_at: datetime | None = None
    """When this process made it."""
    meters: Meters | None = None
    """What this process counts for its operator; None where no token lets anybody read it."""
    pulse: Pulse = field(default_factory=Pulse)
    """Whether what this process does beside its requests is alive."""
