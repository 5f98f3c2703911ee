"""Writes the end of the audit log into the log of the process, where an older end that was put back shows."""

from datetime import datetime

from core.accounts.audit import audit_end
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

log = get_logger("jobs")


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Write the mark; one a day."""
    rows, mark = audit_end(runtime)
    log.info("audit.marked", rows=rows, mark=mark)
    return 1
