"""Every module that declares tables, loaded by name so that no room below knows one above."""

from importlib import import_module

MODELS = (
    "core.platform.models",
    "core.platform.files.models",
    "core.platform.jobs.models",
    "core.platform.mail.models",
    "core.accounts.models",
    "core.accounts.consent_models",
    "core.analytics.models",
    "core.accounts.look_models",
    "core.analytics.console.models",
    "core.pipelines.models",
    "core.credits.models",
    "core.credits.payments.models",
    "core.execution.models",
    "core.privacy.models",
    "core.privacy.policies.models",
    "core.privacy.checks.models",
    "core.privacy.retention.models",
    "core.privacy.erasure.models",
    "core.privacy.export.models",
)


def load_models() -> None:
    """Import every table into the metadata."""
    for name in MODELS:
        import_module(name)
