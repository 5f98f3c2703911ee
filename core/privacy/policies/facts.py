"""What the texts of policies leave open: who publishes them, where, and the tables made of what the code declares."""

from core.platform.runtime import Runtime
from core.privacy.policies.tables import (
    cookies_table,
    declared,
    providers_table,
    purposes_table,
    recipients_table,
    retention_table,
)


def values_of(runtime: Runtime) -> dict[str, str]:
    """Every name that a text may use in double braces, and what it stands for now."""
    settings = runtime.settings
    held = declared()
    company = f"is a brand of {settings.controller_company}, " if settings.controller_company else "is in "
    return {
        "controller": settings.controller,
        "controller_line": f"{settings.controller} {company}{settings.controller_place}.",
        "controller_place": settings.controller_place,
        "contact": settings.privacy_contact,
        "sites": _joined(settings.sites),
        "policy_date": f"{settings.first_policy_date.day} {settings.first_policy_date:%B %Y}",
        "purposes_table": purposes_table(held),
        "retention_table": retention_table(held),
        "providers_table": providers_table(runtime),
        "recipients_table": recipients_table(runtime),
        "cookies_table": cookies_table(),
        "analytics_line": _analytics(runtime),
        "regions_line": _regions(settings.regions),
    }


def _joined(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _analytics(runtime: Runtime) -> str:
    if runtime.settings.posthog_api_key:
        return "They are kept by PostHog in the European Union, and by nobody else."
    return (
        "They stay on our server: no outside service is used for them at present. If one is, it is PostHog in the EU."
    )


def _regions(regions: dict[str, str]) -> str:
    words = {
        "host": "servers",
        "database": "database",
        "storage": "files and backups",
        "mail": "mail",
        "analytics": "counts",
    }
    told = [f"{words[name]}: {region}" for name, region in regions.items() if region]
    return f"In detail, {'; '.join(told)}." if told else ""
