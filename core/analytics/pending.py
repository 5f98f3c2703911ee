"""An event on its way from whoever had it to where it is counted."""

from typing import NamedTuple

from core.analytics.catalogue import Value


class Pending(NamedTuple):
    """Checked, and not written yet, or not sent on. The account is forgotten when it is. `plan`: once it is known."""

    event: str
    hour: str
    account_id: str | None
    fields: dict[str, Value]
    plan: str | None = None
