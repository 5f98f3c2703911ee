"""What is shown of settings."""

import pytest

from core.platform.in_force import mask_url, settings_in_force
from core.platform.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ada:pw@db.example:5432/stepiq", "postgresql+psycopg://•••@db.example:5432/stepiq"),
        ("postgresql+psycopg:///stepiq?host=/run&password=pw", "postgresql+psycopg:///stepiq?•••"),
        ("https://token@host/path#frag", "https://•••@host/path?•••"),
        ("http://[::1]:8501", "http://[::1]:8501"),
        ("https://host.example", "https://host.example"),
        ("pw-without-scheme", "•••"),
        ("http://[broken", "•••"),
    ],
)
def test_addresses_lose_who_and_what_they_ask(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_every_setting_is_told_with_its_variable_and_no_secret_is() -> None:
    secrets = [name for name, info in Settings.model_fields.items() if not info.repr]
    given = {name: "64" * 32 if "master" in name else "s3cr3t-value" for name in secrets}
    given |= {"llama_partners": ({"name": "x", "base_url": "http://h", "api_key": "s3cr3t-value", "models": ["m"]},)}  # type: ignore[dict-item]
    given |= {"database_url": "postgresql://u:s3cr3t-value@h/d", "key_store_url": "sqlite:////k?key=s3cr3t-value"}
    given |= {"smtp_url": "smtp://u:s3cr3t-value@h:25"}
    views = settings_in_force(load_settings(_env_file=None, **given))
    assert {view.variable for view in views} == {info.alias for info in Settings.model_fields.values()}
    assert all(view.description and view.variable.isupper() for view in views)
    assert "s3cr3t" not in repr(views) and "6464" not in repr(views)
    assert {view.variable for view in views if view.is_secret and view.is_set} >= {"SMTP_URL", "OPENAI_API_KEY"}


def test_what_was_left_as_it_is_says_so() -> None:
    views = {view.variable: view for view in settings_in_force(load_settings(_env_file=None, port=9000))}
    assert views["PORT"].is_set and not views["HOST"].is_set and views["SMTP_URL"].value == "not set"
