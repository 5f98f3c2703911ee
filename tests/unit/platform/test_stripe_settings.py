"""The settings of payment: checked at the start, never shown."""

from pathlib import Path
from typing import Any

import pytest

from core.platform.settings import load_settings
from core.shared.errors import InvalidInput

PRODUCTION = {
    "env": "production", "master_key": "ab" * 32, "app_url": "https://stepiq.example.org",
    "stripe_secret_key": "sk_live_x",
}  # fmt: skip


def load(tmp_path: Path, **values: Any) -> Any:
    return load_settings(_env_file=None, data_dir=tmp_path, **values)


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
@pytest.mark.parametrize("wrong", ["sk_test one", "sk_test\n", "sk_tést"])
def test_a_key_that_was_not_copied_whole_is_refused_and_not_quoted(tmp_path: Path, name: str, wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(tmp_path, **{name: wrong})
    assert name in refused.value.message and wrong.strip() not in refused.value.message


@pytest.mark.parametrize(
    "wrong", ["api.stripe.com", "ftp://x", "https://user:x@host", "http://host/v1", "http://h?x=1"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="STRIPE_API_BASE"):
        load(tmp_path, STRIPE_API_BASE=wrong)


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:12111", "https://api.stripe.com.example.org", "http://api.stripe.com"]
)
def test_in_production_money_goes_to_stripe_alone(tmp_path: Path, base: str) -> None:
    assert load(tmp_path, stripe_api_base=base).stripe_api_base == base, "in development a stand-in may answer"
    with pytest.raises(InvalidInput, match="STRIPE_API_BASE: must be https"):
        load(tmp_path, **PRODUCTION, stripe_api_base=base)
    for right in ("", "https://api.stripe.com", "https://api.stripe.com/"):
        load(tmp_path, **PRODUCTION, stripe_api_base=right)


def test_the_secrets_are_in_no_text_of_the_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, stripe_secret_key="sk_live_seen", stripe_webhook_secret="whsec_seen")
    assert "seen" not in repr(settings) and "seen" not in str(settings)
