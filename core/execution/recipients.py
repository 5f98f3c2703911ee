"""Whom a run may send to, read from the version it executed; and what the ledger holds beyond that (promise P07).

What is named is found again from the definition that is kept with the run, by other code than what wrote the ledger:
models with their fallbacks and the budget's cheaper one, hosts of webhooks and deliveries, an agent's allow-list, and
the addresses that the person's own keys had when the run was made, or have now.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select

from core.accounts.queries import own_key_hosts
from core.execution.delivery_departures import UNREADABLE, domain_of
from core.execution.departures import FILE_STORE, NOT_SENT
from core.execution.funding import models_of
from core.execution.models import EgressRow, RunRow
from core.pipelines.definition import Definition, LlmStep, read_definition, walk_steps
from core.pipelines.kinds.webhook import WebhookStep
from core.platform.outbound import OutboundRefused
from core.platform.outbound.allowlist import parse_host_patterns
from core.platform.outbound.targets import Target, read_host
from core.platform.runtime import Runtime

BATCH = 500
_HOST = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#{]*@)?(?P<host>(?:\{\{.*?\}\}|[^/?#:{}\[\]]|\[[0-9a-f:.]+\])+)", re.I
)
_REFERENCE = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True, slots=True)
class Named:
    """Whom one version names. A host that a reference fills in is a pattern; `anywhere`: an agent without a list."""

    providers: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    domains: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    anywhere: bool = False
    files: bool = False

    def names(self, kind: str, recipient: str) -> bool:
        """Whether a recipient of this kind is among them."""
        if kind == "model":
            return recipient in self.providers
        if kind == "mail":
            return recipient in self.domains
        if kind == "file":
            return self.files and recipient == FILE_STORE
        if kind == "tool" and (self.anywhere or self._is_allowed(recipient)):
            return True
        if kind in ("webhook", "delivery"):
            return recipient in self.hosts or any(each.fullmatch(recipient) for each in self.patterns)
        return False

    def _is_allowed(self, host: str) -> bool:
        target = Target("https", host, 443)
        return any(pattern.matches(target) for pattern in parse_host_patterns(self.allowed))


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A row of the ledger whose recipient the executed version does not name."""

    id: str
    run_id: str
    kind: str
    recipient: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch of the check. `untold`: rows that no run is kept for any more, so nobody can say."""

    rows: int = 0
    untold: int = 0
    unnamed: tuple[Unnamed, ...] = field(default=())


def check_recipients(runtime: Runtime, since: datetime, until: datetime, *, batch: int = BATCH) -> Iterator[Checked]:
    """Look at what left from `since` up to and without `until`, a batch of rows at a time, in the order of their ids.

    Each batch is a short read transaction of its own. What was refused before it left is not looked at.
    """
    cursor = ""
    while True:
        found = select(EgressRow).where(
            EgressRow.at >= since, EgressRow.at < until, EgressRow.outcome != NOT_SENT, EgressRow.id > cursor
        )
        with runtime.database.read() as session:
            rows = session.scalars(found.order_by(EgressRow.id).limit(batch)).all()
            wanted = select(RunRow.id, RunRow.owner_id, RunRow.request).where(
                RunRow.id.in_({row.run_id for row in rows})
            )
            runs = session.execute(wanted).all() if rows else []
        if not rows:
            return
        named = {run.id: _named_by(runtime, run) for run in runs}
        told = [row for row in rows if row.run_id in named]
        beyond = [row for row in told if not named[row.run_id].names(row.kind, row.recipient)]
        yield Checked(
            len(rows),
            len(rows) - len(told),
            tuple(Unnamed(row.id, row.run_id, row.kind, row.recipient, row.at) for row in beyond),
        )
        cursor = rows[-1].id


def named_recipients(runtime: Runtime, definitions: list[Definition], addresses: Mapping[str, set[str]]) -> Named:
    """Whom definitions name. `addresses`: the hosts that a provider's own key may be sent to instead."""
    models = set().union(*(models_of(each) for each in definitions))
    cards = (runtime.catalogue.find(model or runtime.catalogue.default_model()) for model in models)
    providers = {card.provider for card in cards if card is not None}
    urls: list[str] = []
    agents = []
    domains: set[str] = set()
    files = False
    for definition in definitions:
        for _, step in walk_steps(definition.steps):
            if isinstance(step, WebhookStep):
                urls.append(step.url)
            elif isinstance(step, LlmStep) and step.agent is not None and step.agent.acts_outside:
                agents.append(step.agent)
        for _, target in definition.targets:
            urls += [target.url] if target.url is not None else []
            domains |= {domain_of(address) for address in target.addresses}
            files = files or target.type == "file"
    hosts = {host for host in map(_written_host, urls) if "{{" not in host}
    patterns = {host for host in map(_written_host, urls) if "{{" in host}
    return Named(
        providers=frozenset(providers | {host for provider in providers for host in addresses.get(provider, ())}),
        hosts=frozenset(hosts),
        patterns=tuple(_pattern(host) for host in sorted(patterns)),
        domains=frozenset(domains),
        allowed=frozenset(name for agent in agents for name in agent.network_allowlist),
        anywhere=any(not agent.network_allowlist for agent in agents),
        files=files,
    )


def _named_by(runtime: Runtime, run: Any) -> Named:
    request = cast(dict[str, Any], runtime.vault.open_json(run.owner_id, f"runs.request:{run.id}", run.request))
    definitions = [read_definition(each) for each in (request["definition"], *request.get("pipelines", {}).values())]
    addresses: dict[str, set[str]] = {}
    for known in (request.get("addresses", {}), own_key_hosts(runtime, run.owner_id)):
        for provider, host in known.items():
            addresses.setdefault(provider, set()).add(host)
    return named_recipients(runtime, definitions, addresses)


def _written_host(url: str) -> str:
    """The host of an address as written; with `{{` in it where a reference fills it in, or might."""
    found = _HOST.match(url)
    if found is None:
        return "{{}}" if "{{" in url else UNREADABLE
    host = found["host"]
    if "{{" in host:
        return host
    try:
        return read_host(host)[0]
    except OutboundRefused:
        return host.lower()


def _pattern(host: str) -> re.Pattern[str]:
    parts = (re.escape(part.lower()) for part in _REFERENCE.split(host))
    return re.compile(".*".join(parts))
