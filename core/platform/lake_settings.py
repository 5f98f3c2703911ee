"""The settings of the lake: a folder, or a bucket of object storage with the same layout."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from core.platform.mail.domain import is_loopback

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Names of buckets (Amazon S3, "Bucket naming rules")."""
S3 = "s3://"


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket, the prefix below which the lake lies in it, and how it is reached; without keys, as the machine may."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


class LakeSettings(BaseSettings):
    """Part of `Settings`."""

    lake_url: str = Field(
        "",
        alias="LAKE_URL",
        description="where anonymous events lie: a folder, as a path or file:// address, or a bucket as "
        "s3://bucket/prefix; empty: data/lake",
    )
    lake_s3_endpoint: str = Field(
        "", alias="LAKE_S3_ENDPOINT", description="address of the object storage, as https://host; empty: Amazon's"
    )
    lake_s3_region: str = Field(
        "", alias="LAKE_S3_REGION", description="region of the bucket, as eu-west-3; empty: as AWS_REGION says"
    )
    lake_s3_access_key_id: str = Field(
        "",
        repr=False,
        alias="LAKE_S3_ACCESS_KEY_ID",
        description="key of the bucket; empty: as AWS_ACCESS_KEY_ID, the profile or the role of the machine say",
    )
    lake_s3_secret_access_key: str = Field(
        "", repr=False, alias="LAKE_S3_SECRET_ACCESS_KEY", description="secret of that key"
    )
    lake_cache_mb: int = Field(
        2048,
        alias="LAKE_CACHE_MB",
        ge=1,
        description="how much of a bucket's lake is kept on this machine for reading, in MB; data/lake-cache",
    )

    @field_validator("lake_url")
    @classmethod
    def _is_a_lake(cls, value: str) -> str:
        if value.startswith(S3):
            bucket, _, prefix = value.removeprefix(S3).partition("/")
            parts = [part for part in prefix.strip("/").split("/") if prefix.strip("/")]
            if not BUCKET.fullmatch(bucket) or any(not re.fullmatch(r"[\w.=-]+", p) or set(p) == {"."} for p in parts):
                raise ValueError("must look like s3://bucket/prefix, without keys: they have settings of their own")
            return S3 + "/".join([bucket, *parts])
        return folder_of(value, " or s3://bucket/prefix")

    @field_validator("lake_s3_endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if value and (not whole or parts.path not in ("", "/") or parts.query or parts.fragment):
            raise ValueError("must look like https://s3.example.org, without a path or keys")
        return value.rstrip("/")

    @field_validator("lake_s3_access_key_id", "lake_s3_secret_access_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if not value.isascii() or any(not c.isprintable() or c == " " for c in value):
            raise ValueError("must be copied whole and alone, without spaces")
        return value

    def lake_problems(self, *, development: bool) -> list[str]:
        """What does not fit together, a line each."""
        problems = []
        if bool(self.lake_s3_access_key_id) != bool(self.lake_s3_secret_access_key):
            problems.append("LAKE_S3_ACCESS_KEY_ID: set it together with LAKE_S3_SECRET_ACCESS_KEY, or neither")
        endpoint = urlsplit(self.lake_s3_endpoint)
        if not development and endpoint.scheme == "http" and not is_loopback(endpoint.hostname or ""):
            problems.append("LAKE_S3_ENDPOINT: must be https in production")
        return problems

    @property
    def lake_bucket(self) -> BucketAddress | None:
        """The bucket of the lake; None where it is a folder."""
        if not self.lake_url.startswith(S3):
            return None
        bucket, _, prefix = self.lake_url.removeprefix(S3).partition("/")
        return BucketAddress(
            bucket, prefix, self.lake_s3_endpoint, self.lake_s3_region,
            self.lake_s3_access_key_id, self.lake_s3_secret_access_key,
        )  # fmt: skip


def folder_of(value: str, otherwise: str = "") -> str:
    """A folder out of a path or a file:// address. Raises ValueError; `otherwise`: what else it may be."""
    parts = urlsplit(value)
    if parts.scheme not in ("", "file") or (parts.scheme and (parts.netloc or not parts.path.startswith("/"))):
        raise ValueError(f"must be a folder, as a path or as file:///path{otherwise}")
    return unquote(parts.path) if parts.scheme else value
