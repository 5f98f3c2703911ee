"""What is sent when a run has ended: each target with its references filled in, and the body a receiver reads."""

from collections.abc import Mapping
from dataclasses import replace
from secrets import token_hex

from core.execution.changes import Claim, Delivery
from core.execution.secrets import RunSecrets
from core.pipelines.definition import Definition
from core.pipelines.source import Path
from core.pipelines.targets import Target
from core.pipelines.templates import render
from core.shared.errors import AppError
from core.shared.types import JsonValue

CARRIED = "secrets"
"""Where the request of a delivery carries the secrets of the shell its run was started from."""


def draft_deliveries(
    claim: Claim, status: str, scope: Mapping[str, JsonValue], secrets: RunSecrets
) -> tuple[Delivery, ...]:
    """The deliveries of a run that ended so. Running single cells of a notebook tells nobody."""
    if claim.selection.steps is not None or status not in ("completed", "failed"):
        return ()
    told = {"completed": ("deliver", "on_success"), "failed": ("on_failure",)}[status]
    drafts = [
        _draft(path, target, scope, secrets.values) for path, target in claim.definition.targets if path[1] in told
    ]
    if secrets.from_shell:
        # Another process may have to send it, and cannot know what was set in this one's environment.
        known = {name: secrets.values[name] for name in claim.definition.secret_names if name in secrets.values}
        drafts = [
            replace(each, request={**each.request, CARRIED: {**known}}) if "url" in each.request else each
            for each in drafts
        ]
    return tuple(drafts)


def _draft(path: Path, target: Target, scope: Mapping[str, JsonValue], secrets: Mapping[str, str]) -> Delivery:
    name = f"{path[1]}.{path[2]}"
    request: dict[str, JsonValue] = {"event_target": name, "to": list(target.addresses)}
    try:
        if target.url is not None:
            # Secrets are filled in when it is sent: until then marks that no value can guess stand in the address.
            mark = token_hex(8)
            request["mark"] = mark
            request["url"] = render(target.url, {**scope, "env": {name: f"{mark}:{name};" for name in secrets}})
            request["method"] = target.method or "POST"
            request["signing_secret_name"] = target.signing_secret_name
        if target.subject is not None:
            request["subject"] = render(target.subject, scope)
        if target.path is not None:
            request["path"] = render(target.path, scope)
    except AppError as error:
        return Delivery(name, target.type, request, error)
    return Delivery(name, target.type, request)


def address_of(request: Mapping[str, JsonValue], secrets: Mapping[str, str]) -> str:
    """The address of a drafted webhook, with its secrets."""
    address = str(request["url"])
    for name, value in secrets.items():
        address = address.replace(f"{request['mark']}:{name};", value)
    return address


def body_of(
    run: Mapping[str, JsonValue], definition: Definition, *, sent_at: str, attempt: int
) -> dict[str, JsonValue]:
    """What a webhook receives. `run` is the run as the API shows it."""
    failed = run["status"] != "completed"
    return {
        "event": "pipeline.run.failed" if failed else "pipeline.run.completed",
        "pipeline": {"id": run["pipeline_id"], "version": run["pipeline_version"], "name": definition.name},
        "run": {name: run[name] for name in ("id", "status", "trigger_type", "started_at", "completed_at")},
        "input": run["input_data"],
        "output": run["error"] if failed else run["output_data"],
        "meta": {"sent_at": sent_at, "attempt": attempt},
    }
