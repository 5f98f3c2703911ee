"""The settings that the privacy policy speaks of: who answers for the data, where it is, where measurements go."""

import re
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from core.platform.mail.domain import clean_recipient, is_loopback

POSTHOG_EU = ("https://eu.i.posthog.com", "https://eu.posthog.com")
"""The addresses of PostHog's European region; the policy names no other."""
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?")


class PrivacySettings(BaseSettings):
    """Part of `Settings`; the defaults are those of stepiq.sh, others who host it say their own."""

    posthog_api_key: str = Field(
        "", repr=False, alias="POSTHOG_API_KEY", description="phc_… of a project in the EU; empty: no events go there"
    )
    posthog_host: str = Field(
        "",
        alias="POSTHOG_HOST",
        description="where events go, an EU host; empty: https://eu.i.posthog.com",
    )
    controller: str = Field(
        "Ligerian Labs", alias="STEPIQ_CONTROLLER", min_length=1, description="who answers for the data, in the policy"
    )
    controller_company: str = Field(
        "Pupuce CORP (EURL)",
        alias="STEPIQ_CONTROLLER_COMPANY",
        description="the company it is a brand of, if any",
    )
    controller_place: str = Field(
        "Angers, France", alias="STEPIQ_CONTROLLER_PLACE", min_length=1, description="where the controller is"
    )
    privacy_contact: str = Field(
        "bonjour@ligerianlabs.fr", alias="STEPIQ_PRIVACY_CONTACT", description="address that people write to"
    )
    sites: Annotated[tuple[str, ...], NoDecode] = Field(
        ("stepiq.sh", "app.stepiq.sh", "api.stepiq.sh"),
        alias="STEPIQ_SITES",
        description="hosts that the policy covers, with commas between",
    )
    first_policy_date: date = Field(
        date(2026, 2, 25), alias="STEPIQ_FIRST_POLICY_DATE", description="since when the first policy counts"
    )

    region_host: str = Field("", alias="STEPIQ_REGION_HOST", description="where this server is, as FR or Paris, France")
    region_database: str = Field("", alias="STEPIQ_REGION_DATABASE", description="where the database is; empty: unsaid")
    region_storage: str = Field("", alias="STEPIQ_REGION_STORAGE", description="where files and backups are")
    region_mail: str = Field("", alias="STEPIQ_REGION_MAIL", description="where the mail server is")
    region_analytics: str = Field("", alias="STEPIQ_REGION_ANALYTICS", description="where measurements are kept")

    @field_validator("sites", mode="before")
    @classmethod
    def _are_hosts(cls, value: Any) -> Any:
        names = [part.strip().lower() for part in value.split(",")] if isinstance(value, str) else value
        for name in names:
            if not HOST.fullmatch(name):
                raise ValueError(f"{name!r} is no host such as app.example.org")
        return tuple(names)

    @field_validator("privacy_contact")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return clean_recipient(value)

    @field_validator("posthog_host")
    @classmethod
    def _is_a_host(cls, value: str) -> str:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if value and (not whole or parts.path not in ("", "/") or parts.query or parts.fragment):
            raise ValueError("must look like https://eu.i.posthog.com, without a path")
        return value.rstrip("/")

    def analytics_problems(self, *, development: bool) -> list[str]:
        """Why measurements may not go where they are set to go, a line each: with a key only to PostHog's EU hosts."""
        local = development and is_loopback(urlsplit(self.posthog).hostname or "")
        if not self.posthog_api_key or self.posthog in POSTHOG_EU or local:
            return []
        also = " or a loopback address" if development else ""
        return [f"POSTHOG_HOST: must be one of {', '.join(POSTHOG_EU)}{also}"]

    @property
    def posthog(self) -> str:
        """Where events go while there is a key."""
        return self.posthog_host or POSTHOG_EU[0]
