"""Where the lake is: a folder or a bucket, and what does not fit together."""

from pathlib import Path
from typing import Any

import pytest

from core.platform.in_force import settings_in_force
from core.platform.settings import Settings, load_settings
from core.shared.errors import InvalidInput

PRODUCTION = {"env": "production", "master_key": "ab" * 32, "app_url": "https://stepiq.example.org"}


def load(tmp_path: Path, **values: Any) -> Settings:
    return load_settings(_env_file=None, data_dir=tmp_path, **values)


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://events", "events", ""),
        ("s3://events/", "events", ""),
        ("s3://events/stepiq/lake/", "events", "stepiq/lake"),
        ("s3://my.bucket-1/x=1", "my.bucket-1", "x=1"),
    ],
)
def test_a_bucket_and_a_prefix(tmp_path: Path, url: str, bucket: str, prefix: str) -> None:
    settings = load(tmp_path, LAKE_URL=url)
    assert settings.lake_bucket is not None
    assert (settings.lake_bucket.bucket, settings.lake_bucket.prefix) == (bucket, prefix)
    assert settings.lake == tmp_path / "lake-cache"


@pytest.mark.parametrize(
    "wrong",
    ["s3://", "s3:///x", "s3://key:secret@bucket", "s3://Bucket", "s3://b?x=1", "s3://bucket/../x", "https://x/y"],
)
def test_what_is_neither_a_bucket_nor_a_folder_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="LAKE_URL"):
        load(tmp_path, LAKE_URL=wrong)


def test_a_folder_stays_one(tmp_path: Path) -> None:
    assert load(tmp_path).lake == tmp_path / "lake" and load(tmp_path).lake_bucket is None
    assert load(tmp_path, lake_url=f"file://{tmp_path}/other").lake == tmp_path / "other"


def test_keys_come_in_pairs_and_in_production_over_tls(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="LAKE_S3_ACCESS_KEY_ID: set it together"):
        load(tmp_path, lake_url="s3://bucket", lake_s3_access_key_id="x")
    for wrong in ("s3.example.org", "https://key:secret@s3.example.org", "https://s3.example.org/bucket"):
        with pytest.raises(InvalidInput, match="LAKE_S3_ENDPOINT"):
            load(tmp_path, LAKE_S3_ENDPOINT=wrong)
    with pytest.raises(InvalidInput, match="LAKE_S3_ENDPOINT: must be https"):
        load(tmp_path, **PRODUCTION, lake_s3_endpoint="http://s3.example.org")
    for right in ("http://127.0.0.1:9000", "https://s3.example.org"):
        load(tmp_path, **PRODUCTION, lake_s3_endpoint=right)


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    secret = {"lake_s3_access_key_id": "seen-id", "lake_s3_secret_access_key": "seen-secret"}
    settings = load(tmp_path, lake_url="s3://bucket", **secret)
    told = (repr(settings), str(settings), repr(settings.lake_bucket), repr(settings_in_force(settings)))
    assert not any("seen" in each for each in told)


def test_where_a_bucket_is_has_to_be_declared(tmp_path: Path) -> None:
    here = {"region_host": "FR"}
    assert load(tmp_path, **here).regions["analytics"] == "FR"
    assert load(tmp_path, **here, lake_url="s3://bucket").regions["analytics"] == ""
    assert load(tmp_path, **here, lake_url="s3://bucket", region_analytics="FR").regions["analytics"] == "FR"
