"""Settings: the only reader of the environment and of `.env`."""

from collections.abc import Mapping
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from core.platform.lake_settings import LakeSettings, folder_of
from core.platform.mail.domain import parse_sender, parse_smtp_url
from core.platform.outbound import parse_allowlist
from core.platform.privacy_settings import PrivacySettings
from core.shared.errors import InvalidInput

STRIPE_API = "https://api.stripe.com"


class PartnerSettings(BaseModel):
    """An OpenAI-compatible host of Meta Llama models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$")
    base_url: str
    api_key: str = ""
    models: tuple[str, ...] = Field(min_length=1)
    prices: dict[str, dict[str, float]] = Field(default_factory=dict)
    region: str = "unknown"
    terms_url: str = ""
    terms_dated: date | None = None
    safeguard: str = Field(default="", max_length=300)
    """What protects data there, for a host outside the EEA: standard contractual clauses, an adequacy decision."""


class Settings(LakeSettings, PrivacySettings):
    """What an installation is configured with. Frozen; every field documented."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    env: Literal["development", "production"] = Field(
        "development",
        alias="STEPIQ_ENV",
        description="development shows error details; production refuses weak settings",
    )
    data_dir: Path = Field(
        Path("data"), alias="STEPIQ_DATA_DIR", validate_default=True, description="where embedded stores live"
    )
    database_url: str = Field("", repr=False, alias="DATABASE_URL", description="empty: SQLite in the data folder")
    key_store_url: str = Field("", repr=False, alias="KEY_STORE_URL", description="another database than DATABASE_URL")
    blob_url: str = Field(
        "", alias="BLOB_URL", description="folder of uploaded files, as a path or file:// address; empty: data/blobs"
    )
    analytics: bool = Field(
        True, alias="STEPIQ_ANALYTICS", description="whether use is counted, anonymously; false: no event is written"
    )
    file_max_mb: int = Field(20, alias="STEPIQ_FILE_MAX_MB", ge=1, le=1024, description="largest file, in MB")
    files_max_mb: int = Field(
        1000, alias="STEPIQ_FILES_MAX_MB", ge=1, description="how much all files of one person may have, in MB"
    )
    host: str = Field("127.0.0.1", alias="HOST", description="address to listen on")
    port: int = Field(8501, alias="PORT", ge=1, le=65535, description="port to listen on")
    app_url: str = Field("", alias="APP_URL", description="public address; empty: http://HOST:PORT")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        alias="STEPIQ_TRUSTED_PROXIES",
        description="addresses or networks, with commas between, of proxies whose X-Forwarded-For names the client",
    )
    master_key: str = Field(
        "", repr=False, alias="STEPIQ_MASTER_KEY", description="64 hex digits; made at first start in development"
    )
    master_key_previous: str = Field(
        "", repr=False, alias="STEPIQ_MASTER_KEY_PREVIOUS", description="the key before a rotation"
    )
    bcrypt_cost: int = Field(
        12, alias="STEPIQ_BCRYPT_COST", ge=4, le=16, description="work factor of password hashes; >= 12"
    )
    signup: Literal["open", "invite", "closed"] = Field(
        "invite", alias="STEPIQ_SIGNUP", description="who may make an account: everybody, the invited, nobody"
    )
    api_writes_per_minute: int = Field(
        1200, alias="STEPIQ_API_WRITES_PER_MINUTE", ge=1, description="API requests that change something, per caller"
    )
    api_reads_per_minute: int = Field(
        30_000, alias="STEPIQ_API_READS_PER_MINUTE", ge=1, description="API requests that read, per caller"
    )
    metrics_token: str = Field(
        "",
        repr=False,
        alias="METRICS_TOKEN",
        description="what reads /api/metrics, as Authorization: Bearer …; empty: nobody does",
    )
    slow_query_ms: int = Field(
        200, alias="STEPIQ_SLOW_QUERY_MS", ge=0, description="statements that take as long are logged; 0: none"
    )
    slow_page_ms: int = Field(
        1000, alias="STEPIQ_SLOW_PAGE_MS", ge=0, description="pages that take as long are logged; 0: none"
    )
    demo_pace_ms: int = Field(
        12, alias="STEPIQ_DEMO_PACE_MS", ge=0, description="pause between words of the demo model"
    )
    worker_concurrency: int = Field(
        50, alias="STEPIQ_WORKER_CONCURRENCY", ge=1, le=1000, description="runs a worker advances at once (PostgreSQL)"
    )
    runs_per_person: int = Field(
        50, alias="STEPIQ_RUNS_PER_PERSON", ge=1, description="runs of one person under way at once (PostgreSQL)"
    )
    roles: str = Field(
        "web,worker,scheduler", alias="STEPIQ_ROLES", description="what this process does: web, worker, scheduler"
    )
    anthropic_api_key: str = Field("", repr=False, alias="ANTHROPIC_API_KEY", description="platform key for Claude")
    anthropic_base_url: str = Field("", alias="ANTHROPIC_BASE_URL", description="another address of the Anthropic API")
    openai_api_key: str = Field("", repr=False, alias="OPENAI_API_KEY", description="platform key for GPT")
    openai_base_url: str = Field("", alias="OPENAI_BASE_URL", description="another address of the OpenAI API")
    llama_partners: tuple[PartnerSettings, ...] = Field(
        (), repr=False, alias="LLAMA_PARTNERS", description="JSON list of Llama hosts"
    )
    vendor_limits: Annotated[Mapping[str, int], NoDecode] = Field(
        default_factory=dict,
        alias="STEPIQ_VENDOR_LIMITS",
        description="calls a minute on the platform's keys, of all processes together, as anthropic=50,openai=500",
    )
    outbound_allowlist: str = Field(
        "", alias="OUTBOUND_ALLOWLIST", description="hosts or CIDRs, with commas, to reach although private"
    )
    smtp_url: str = Field(
        "",
        repr=False,
        alias="SMTP_URL",
        description="smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. Empty: in development "
        "mails land in the data folder and on /dev/mail, in production they wait in the outbox until a server is named",
    )
    mail_from: str = Field(
        "", alias="MAIL_FROM", description="sender, as stepIQ <name@host>; empty: no-reply@ the host of APP_URL"
    )
    stripe_secret_key: str = Field(
        "",
        repr=False,
        alias="STRIPE_SECRET_KEY",
        description="sk_… or rk_…; empty: nothing is sold, and an admin sets plans",
    )
    stripe_webhook_secret: str = Field(
        "",
        repr=False,
        alias="STRIPE_WEBHOOK_SECRET",
        description="whsec_… of the endpoint APP_URL/api/billing/stripe/webhook; without it nothing is sold",
    )
    stripe_api_base: str = Field(
        "", alias="STRIPE_API_BASE", description="another address of the Stripe API, in development only"
    )

    @field_validator("roles")
    @classmethod
    def _names_roles(cls, value: str) -> str:
        unknown = {name.strip() for name in value.split(",")} - {"web", "worker", "scheduler"}
        if unknown:
            raise ValueError("must be some of web, worker, scheduler, with commas between")
        return value

    @field_validator("data_dir")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.resolve()

    @field_validator("vendor_limits", mode="before")
    @classmethod
    def _are_limits(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        limits = {}
        for part in filter(None, (each.strip() for each in value.split(","))):
            name, _, number = (each.strip() for each in part.partition("="))
            if not name or not number.isdecimal() or int(number) < 1:
                raise ValueError(f"{part} does not look like anthropic=50")
            limits[name] = int(number)
        return limits

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_networks(cls, value: Any) -> Any:
        names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        for name in names:
            try:
                ip_network(name)
            except ValueError:
                raise ValueError(f"{name} is no address or network such as 10.0.0.0/8") from None
        return tuple(names)

    @field_validator("master_key", "master_key_previous")
    @classmethod
    def _is_hex_key(cls, value: str) -> str:
        if value and (len(value) != 64 or any(c not in "0123456789abcdefABCDEF" for c in value)):
            raise ValueError("must be 64 hex digits")
        return value

    @field_validator("outbound_allowlist")
    @classmethod
    def _lists_hosts(cls, value: str) -> str:
        parse_allowlist(value)
        return value

    @field_validator("database_url", "key_store_url")
    @classmethod
    def _names_a_driver(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith(("sqlite://", "postgresql+psycopg://")):
            raise ValueError("must start with postgresql:// or sqlite://")
        return value

    @field_validator("blob_url")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        return folder_of(value)

    @field_validator("app_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc):
            raise ValueError("must look like https://host")
        return value.rstrip("/")

    @field_validator("stripe_secret_key", "stripe_webhook_secret", "metrics_token")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not value.isascii() or any(not c.isprintable() or c == " " for c in value):
            raise ValueError("must be copied whole and alone: letters, digits and _, without spaces")
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _is_an_api(cls, value: str) -> str:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if value and (not whole or parts.path not in ("", "/") or parts.query or parts.fragment):
            raise ValueError("must look like http://127.0.0.1:12111, without a path")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: str) -> str:
        if value:
            parse_smtp_url(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        if value:
            parse_sender(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        problems = []
        if self.database_url and not self.database_url.startswith("sqlite") and not self.key_store_url:
            problems.append("KEY_STORE_URL: required with DATABASE_URL, and must name another database")
        if self.key_store_url and self.key_store_url == self.database_url:
            problems.append("KEY_STORE_URL: must name another database than DATABASE_URL")
        if self.env == "production":
            if not self.master_key:
                problems.append("STEPIQ_MASTER_KEY: required in production")
            if not self.public_url.startswith("https://"):
                problems.append("APP_URL: must be https in production")
            if self.stripe_api_base not in ("", STRIPE_API):
                problems.append(f"STRIPE_API_BASE: must be {STRIPE_API} or empty in production")
            if self.bcrypt_cost < 12:
                problems.append("STEPIQ_BCRYPT_COST: must be at least 12 in production")
        problems += self.analytics_problems(development=self.env == "development")
        problems += self.lake_problems(development=self.env == "development")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def regions(self) -> dict[str, str]:
        """Where each store is, as declared. What is on this server is where it is, unless something else is said."""
        local = self.region_host
        measured = "European Union" if self.posthog_api_key else local
        return {
            "host": local,
            "database": self.region_database or (local if self.database.startswith("sqlite") else ""),
            "storage": self.region_storage or local,
            "mail": self.region_mail,
            "analytics": self.region_analytics or ("" if self.lake_bucket else measured),
        }

    @property
    def public_url(self) -> str:
        """The address people use, without a slash at the end."""
        return self.app_url or f"http://{self.host}:{self.port}"

    def has_role(self, name: str) -> bool:
        """Whether this process does a part of the work."""
        return name in {each.strip() for each in self.roles.split(",")}

    @property
    def is_https(self) -> bool:
        """Whether people reach this installation over TLS."""
        return self.public_url.startswith("https://")

    @property
    def lake(self) -> Path:
        """The folder of the lake of events; where the lake is a bucket, what this machine keeps of it for reading."""
        if self.lake_bucket:
            return self.data_dir / "lake-cache"
        return Path(self.lake_url).resolve() if self.lake_url else self.data_dir / "lake"

    @property
    def mail_dir(self) -> Path:
        """Where the mails of development land."""
        return self.data_dir / "mail"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the data."""
        return self.database_url or f"sqlite:///{self.data_dir / 'stepiq.db'}"

    @property
    def key_store(self) -> str:
        """SQLAlchemy URL of the key store."""
        return self.key_store_url or f"sqlite:///{self.data_dir / 'keys' / 'keys.db'}"

    @property
    def blobs(self) -> Path:
        """The folder of uploaded files."""
        return Path(self.blob_url).resolve() if self.blob_url else self.data_dir / "blobs"

    @property
    def exports(self) -> Path:
        """The folder of copies that people asked for: beside the files, which every process of the installation has."""
        return self.blobs / "exports" if self.blob_url else self.data_dir / "exports"

    @property
    def file_max_bytes(self) -> int:
        """The largest file."""
        return self.file_max_mb * 1024 * 1024

    @property
    def files_max_bytes(self) -> int:
        """What all files of one person may have together."""
        return self.files_max_mb * 1024 * 1024


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises InvalidInput naming every wrong variable, a line each."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {text}" if name else text)
        raise InvalidInput("SETTINGS", "\n".join(lines)) from None
    except Exception as error:  # pydantic-settings raises its own error for JSON that does not parse
        raise InvalidInput("SETTINGS", f"{error}".splitlines()[0]) from None
