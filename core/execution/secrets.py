"""The secrets of a run: which it uses, whether they exist, and their values for the length of its calls."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.accounts.domain import Account
from core.accounts.queries import get_operator, secret_values
from core.execution.changes import Claim
from core.pipelines.definition import Definition
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RunSecrets:
    """The secrets of a run by name. `from_shell`: the environment of the process that runs it, and of no other."""

    values: Mapping[str, str] = field(default_factory=dict)
    from_shell: bool = False


def check_secrets(
    runtime: Runtime, owner: Account, pipeline_id: str | None, definitions: Iterable[Definition]
) -> frozenset[str]:
    """The names of the secrets a run would use. Raises InvalidInput MISSING_SECRET, with every one that is missing."""
    names: frozenset[str] = frozenset().union(*(each.secret_names for each in definitions))
    if not names:
        return names
    missing = sorted(names - _values(runtime, owner.id, pipeline_id, operator=owner.is_operator).keys())
    if missing:
        where = "in the environment" if owner.is_operator else "under Secrets in your account"
        details = [{"path": name, "code": "MISSING_SECRET", "message": "There is no such secret."} for name in missing]
        message = f"This run uses {', '.join(missing)}, which does not exist. Save it {where}, then run again."
        raise InvalidInput("MISSING_SECRET", message, details=details)
    return names


def used_secrets(runtime: Runtime, claim: Claim) -> RunSecrets:
    """The values of the secrets that a claimed run uses."""
    return secrets_named(runtime, claim.owner_id, claim.pipeline_id, claim.secret_names)


def secrets_named(runtime: Runtime, owner_id: str, pipeline_id: str | None, names: Iterable[str]) -> RunSecrets:
    """The values of those of these secrets that exist."""
    from_shell = owner_id == get_operator(runtime).id
    values = _values(runtime, owner_id, pipeline_id, operator=from_shell)
    return RunSecrets({name: values[name] for name in names if name in values}, from_shell)


def _values(runtime: Runtime, owner_id: str, pipeline_id: str | None, *, operator: bool) -> dict[str, str]:
    # The command line runs for whoever may set the environment of this process.
    return dict(os.environ) if operator else secret_values(runtime, owner_id, pipeline_id)
