"""Terms of enabled providers: dated, linked, and with a safeguard where data leaves the EEA (promise P08)."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from core.accounts.commands import save_own_key
from core.accounts.domain import Account
from core.platform.runtime import Runtime
from core.privacy.terms_check import TermsFinding, check_terms
from core.providers.regions import in_eea
from core.providers.terms import TERMS_CHECKED_AT

READ = date.fromisoformat(TERMS_CHECKED_AT)
PARTNER: dict[str, Any] = {
    "name": "groq", "base_url": "https://api.groq.example/v1", "api_key": "k", "models": ["llama"], "region": "US",
}  # fmt: skip


def test_what_is_not_enabled_is_not_asked(runtime: Runtime) -> None:
    assert check_terms(runtime, date(2030, 1, 1)) == ()


def test_terms_grow_old(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(anthropic_api_key="sk-ant-test")
    assert check_terms(runtime, READ) == ()
    assert check_terms(runtime, date.fromordinal(READ.toordinal() + 180)) == ()
    assert check_terms(runtime, date.fromordinal(READ.toordinal() + 181)) == (TermsFinding("anthropic", "old", 181),)


def test_a_key_of_anybodys_enables_its_provider(runtime: Runtime, owner: Account) -> None:
    save_own_key(runtime, owner.id, "openai", "sk-own-key-0123456789")
    assert [found.provider for found in check_terms(runtime, date(2030, 1, 1))] == ["openai"]


def test_a_partner_is_asked_what_its_operator_has_to_say(runtime_with: Callable[..., Runtime]) -> None:
    silent = runtime_with(llama_partners=(PARTNER,))
    problems = [found.problem for found in check_terms(silent, READ)]
    assert problems == ["undated", "no_link", "no_safeguard"]


def test_a_partner_that_is_described_is_kept(runtime_with: Callable[..., Runtime]) -> None:
    more = {"terms_url": "https://groq.example/terms", "terms_dated": "2026-11-01", "safeguard": "DPF (EU) 2023/1795"}
    described = runtime_with(llama_partners=({**PARTNER, **more},))
    assert check_terms(described, READ) == ()


@pytest.mark.parametrize(
    ("region", "inside"),
    [
        ("EU", True), ("FR", True), ("Germany", True), ("eu-west-3", True), ("europe-west4", True), ("FR, DE", True),
        ("this server", True), ("US", False), ("us-east-1", False), ("GB", False), ("CH", False), ("eu-west-2", False),
        ("EU, US", False), ("unknown", None), ("", None), ("somewhere", None),
    ],
)  # fmt: skip
def test_regions(region: str, inside: bool | None) -> None:
    assert in_eea(region) is inside
