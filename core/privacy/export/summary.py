"""The readable answer to Art. 15 in layers: a summary first, then the data by purpose, then everything in files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core.accounts.domain import Account
from core.platform.runtime import Runtime
from core.privacy.declared import what_we_hold
from core.privacy.export.contents import Changed
from core.privacy.export.passages import AS_A_WORD, LEFT_OUT
from core.privacy.export.recipients import UsedRecipient
from core.privacy.export.selection import Copy, ShownTable
from core.privacy.inventory import declared

FOLDER = Path(__file__).with_name("templates")
RIGHTS_URL, CNIL = "/app/my-data", "https://www.cnil.fr/fr/plaintes"


@dataclass(frozen=True, slots=True)
class TableLine:
    """A table of the copy, as the summary lists it."""

    name: str
    labels: tuple[str, ...]
    rows: int


def summary_html(
    runtime: Runtime,
    account: Account,
    copy: Copy,
    shown: Sequence[ShownTable],
    counts: Mapping[str, int],
    recipients: Sequence[UsedRecipient],
    *,
    received_at: datetime,
    changed: Changed,
) -> str:
    """The first page of a copy, in the person's language; it loads nothing from anywhere."""
    settings = runtime.settings
    lines = [
        TableLine(each.name, tuple(c.rules.label for c in each.columns if c.rules), counts.get(each.name, 0))
        for each in shown
    ]
    return _templates().get_template(f"summary.{account.language}.html").render(
        copy=copy,
        account=account,
        received=f"{received_at:%Y-%m-%d}",
        made=f"{runtime.clock.now():%Y-%m-%d %H:%M} UTC",
        groups=what_we_hold(declared(), account.plan),
        lines=[line for line in lines if line.rows],
        empty=[line.name for line in lines if not line.rows],
        files=counts.get("file contents", 0),
        pipelines=counts.get("pipeline texts", 0),
        recipients=recipients,
        changed=changed,
        left_out=LEFT_OUT,
        as_a_word=AS_A_WORD,
        controller=", ".join(
            filter(None, (settings.controller, settings.controller_company, settings.controller_place))
        ),
        contact=settings.privacy_contact,
        rights_url=settings.public_url + RIGHTS_URL,
        policy_url=settings.public_url + "/privacy/policy",
        cnil=CNIL,
    )  # fmt: skip


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
