"""What one event may say on its way to PostHog: made anew from what the catalogue declares, or nothing at all. Pure.

The SDK adds to every event what it knows of the machine and of the context it is called in. Nothing of that is
passed on: a message is not cleaned of what it should not hold, it is built from what it may.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

from core.analytics.catalogue import EVENTS, FIELDS, PLAN

PERSONLESS: Mapping[str, bool] = {"$process_person_profile": False, "$geoip_disable": True}
"""Said with every event: make no person of it, and look up no place (PostHog, "Anonymous vs identified events")."""
SDK_ADDS = frozenset(
    (
        *PERSONLESS, "$is_server", "$lib", "$lib_version", "$os", "$os_distro", "$os_version", "$python_runtime",
        "$python_version", "$release_id",
    )
)  # fmt: skip
"""What the SDK adds by itself, which is left off. Anything else that is not declared drops the event."""
OF_A_MESSAGE = frozenset(("distinct_id", "event", "properties", "timestamp", "uuid"))
OF_A_BATCH = frozenset(("api_key", "batch", "historical_migration", "sent_at"))
"""The keys of what is sent at once. `sent_at` is when, which is at a full ten minutes or when a process ends."""
CANARY = "Ada.Canary@planted.example"
_HOUR = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:00:00\+00:00")


def clean_message(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event as it may go; None, which drops it, where anything in it is not declared. Raises for no message."""
    kind = EVENTS.get(message["event"])
    said = message["properties"]
    known = message.keys() <= OF_A_MESSAGE and _is_random(message["distinct_id"]) and _is_random(message["uuid"])
    if kind is None or not known or not _HOUR.fullmatch(message["timestamp"]):
        return None
    if said.get("$process_person_profile") is not False:
        return None
    own = {name: value for name, value in said.items() if name not in SDK_ADDS}
    if not all(_may_say(kind.fields, name, value) for name, value in own.items()):
        return None
    return {
        "event": kind.name,
        "distinct_id": message["distinct_id"],
        "uuid": message["uuid"],
        "timestamp": message["timestamp"],
        "properties": {**own, **PERSONLESS},
    }


def undeclared_keys(body: Mapping[str, Any]) -> Iterator[str]:
    """Names in what is sent at once that nothing declares: of the batch, of its events and of what they say."""
    yield from body.keys() - OF_A_BATCH
    for each in body.get("batch", ()):
        yield from each.keys() - OF_A_MESSAGE
        kind = EVENTS.get(each.get("event"))
        yield from each.get("properties", {}).keys() - {*(kind.fields if kind else ()), PLAN.name, *PERSONLESS}


def drops_canary() -> bool:
    """Whether an event with somebody's address in it is dropped, and one without it is not."""
    message = {
        "event": "feature.used",
        "distinct_id": str(uuid4()),
        "uuid": str(uuid4()),
        "timestamp": "2026-11-24T10:00:00+00:00",
        "properties": {"feature": "file.uploaded", **PERSONLESS},
    }
    named = {**message, "properties": {**PERSONLESS, "feature": CANARY}}
    added = {**message, "properties": {**PERSONLESS, "feature": "file.uploaded", "$user_id": CANARY}}
    return clean_message(message) is not None and clean_message(named) is None and clean_message(added) is None


def _may_say(fields: tuple[str, ...], name: str, value: object) -> bool:
    if isinstance(value, bool | float):
        return False
    return PLAN.holds(value) if name == PLAN.name else name in fields and FIELDS[name].holds(value)


def _is_random(text: str) -> bool:
    return UUID(text).version == 4
