"""What may go to PostHog is built from what is declared; anything else drops the event."""

from typing import Any
from uuid import uuid1, uuid4

import pytest

from core.analytics.catalogue import EVENTS, FIELDS
from core.analytics.posthog_message import PERSONLESS, SDK_ADDS, clean_message, drops_canary, undeclared_keys

OK: dict[str, Any] = {
    "event": "page.viewed",
    "distinct_id": str(uuid4()),
    "uuid": str(uuid4()),
    "timestamp": "2026-11-24T10:00:00+00:00",
    "properties": {**PERSONLESS, "page": "runs", "duration_ms": 50, "plan": "free"},
}


def said(**properties: Any) -> dict[str, Any]:
    return {**OK, "properties": {**OK["properties"], **properties}}


def test_a_declared_event_goes_with_its_own_fields_and_without_what_the_sdk_adds() -> None:
    added = said(**dict.fromkeys(SDK_ADDS - PERSONLESS.keys(), "Debian on ada-laptop"))
    assert clean_message(added) == OK
    assert list(undeclared_keys({"batch": [OK], "api_key": "k", "sent_at": "x"})) == []


@pytest.mark.parametrize(
    "message",
    [
        {**OK, "event": "$pageview"},
        {**OK, "event": "ada@example.org"},
        {**OK, "$set": {"email": "ada@example.org"}},
        {**OK, "timestamp": "2026-11-24T10:00:01+00:00"},
        {**OK, "timestamp": "2026-11-24T10:07:00+00:00"},
        {**OK, "uuid": str(uuid1())},
        said(email="ada@example.org"),
        said(**{"$ip": "192.0.2.7"}),
        said(**{"$set": {"name": "Ada"}}),
        said(**{"$session_id": "a"}),
        said(**{"$device_id": "a"}),
        said(**{"$process_person_profile": True}),
        said(page="ada@example.org"),
        said(page=7),
        said(page=None),
        said(duration_ms=51),
        said(duration_ms=50.0),
        said(duration_ms=True),
        said(duration_ms="50"),
        said(plan="ada"),
        said(feature="file.uploaded"),
    ],
)
def test_whatever_is_not_declared_drops_the_event(message: dict[str, Any]) -> None:
    assert clean_message(message) is None


def test_every_field_refuses_an_address_in_every_event() -> None:
    for name, kind in EVENTS.items():
        for field in kind.fields:
            message = {**OK, "event": name, "properties": {**PERSONLESS, field: "ada@example.org"}}
            assert clean_message(message) is None, (name, field)
    assert FIELDS and drops_canary()


@pytest.mark.parametrize("message", [{}, {**OK, "distinct_id": "ada"}, {**OK, "timestamp": None}, {**OK, "event": []}])
def test_what_is_no_message_raises_which_drops_it_as_well(message: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        clean_message(message)


def test_a_name_that_is_not_declared_is_found_on_the_wire() -> None:
    body = {"batch": [{**said(email="x"), "ip": "y"}], "api_key": "k", "cookies": "z"}
    assert sorted(undeclared_keys(body)) == ["cookies", "email", "ip"]
