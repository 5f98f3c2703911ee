"""OUTBOUND_ALLOWLIST, and the base URLs that people enter."""

from collections.abc import Callable

import pytest

from core.platform.outbound import Outbound, parse_allowlist
from core.platform.settings import Settings
from core.shared.errors import InvalidInput


def test_nothing_is_open_by_default(settings_with: Callable[..., Settings]) -> None:
    assert settings_with().outbound_allowlist == ""
    assert parse_allowlist(" , ") == ()


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.1/8", "10.0.0.0/33", "http://n8n", "n8n/x", "n8n:http", "n8n:0", "n8n:70000", "*", "*.10.0.0.1", "a b",
     "2130706433", "metadata.google.internal", "169.254.169.254", "169.254.0.0/16", "[::1", "64:ff9b::/96", "user@n8n"],
)  # fmt: skip
def test_a_wrong_entry_refuses_the_start_and_is_named(
    entry: str, settings_with: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOWLIST", f"localhost,{entry}")
    with pytest.raises(InvalidInput) as wrong:
        settings_with()
    assert wrong.value.message.startswith("OUTBOUND_ALLOWLIST: ")
    assert entry in wrong.value.message


@pytest.mark.parametrize(
    "entries",
    ["localhost", "10.0.0.0/8, fd00::/8", "n8n:5678,[::1]:80,::1,127.0.0.1:9000", "*.corp.example", "::1/128"],
)
def test_right_entries_are_read(entries: str, settings_with: Callable[..., Settings]) -> None:
    assert settings_with(outbound_allowlist=entries).outbound_allowlist == entries


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        (" https://API.example.org ", "https://api.example.org"),
        ("https://api.example.org:8443/v1", "https://api.example.org:8443/v1"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        ("http://10.1.2.3:8000/v1", "http://10.1.2.3:8000/v1"),
    ],
)
def test_base_urls_are_tidied(written: str, kept: str) -> None:
    assert Outbound(parse_allowlist("localhost,10.0.0.0/8")).check_base_url(written) == kept


@pytest.mark.parametrize(
    "written",
    ["", "api.example.org", "http://api.example.org/v1", "https://api.example.org/v1?key=x", "https://api.example.org/#x",
     "https://x@api.example.org", "https://127.0.0.1/v1", "https://localhost/v1", "https://169.254.169.254/",
     "https://metadata.google.internal/", "https://api.example.org:22/"],
)  # fmt: skip
def test_base_urls_are_refused_with_the_field(written: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        Outbound().check_base_url(written)
    assert (wrong.value.code, wrong.value.context) == ("INVALID_BASE_URL", {"field": "base_url"})
