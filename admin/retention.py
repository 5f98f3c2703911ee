"""How long logs are kept: what the last sweeps deleted, what the next would, and the oldest log of each plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from admin.legal_holds import draw_holds
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.privacy.retention.dry_run import DueRows, due_rows
from core.privacy.retention.oldest import OldestLog, oldest_known
from core.privacy.retention.reports import SweepReport, list_reports
from pages.ui.badges import text_badge
from pages.ui.memory import found_before, keep_found
from pages.ui.notices import attempt, draw_notices
from pages.ui.session import guarded, require_role
from pages.ui.words import count, joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ROLES = ("admin", "privacy_admin")
COUNTED = "retention"
SHOWN = 14


def retention_page() -> None:
    """The promise of each plan, the next sweep on request, the last sweeps."""
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    st.html(
        '<h1 class="sq-title">Retention</h1><p class="sq-facts sq-intro">Runs, files and mails are deleted every night '
        "once they are older than their owner’s plan keeps them. What has not ended, what a person restricted and what "
        "a legal hold keeps, stays.</p>"
    )
    draw_notices()
    oldest, seen_at = oldest_known(runtime)
    _draw_plans(oldest, seen_at, runtime.clock.now())
    _draw_next()
    draw_holds(runtime, session)
    _draw_sweeps(runtime)


def _draw_plans(found: Iterable[OldestLog], seen_at: datetime | None, now: datetime) -> None:
    rows = "".join(
        f"<tr><td>{PLANS[each.plan].title}</td><td>{each.days} days</td>"
        f"<td>{time_html(each.oldest, now) if each.oldest else _nothing(seen_at)}</td>"
        f"<td>{text_badge('too old', 'red') if each.is_late else text_badge('kept', 'green')}</td>"
        f'<td class="sq-num">{f"{each.excepted:,}" if each.excepted else ""}</td></tr>'
        for each in found
    )
    st.html(
        '<div class="sq-scroll" tabindex="0" role="region" aria-label="Oldest runs"><table class="sq-table"><thead><tr>'
        '<th>Plan</th><th>Kept for</th><th>Oldest run</th><th>Promise</th><th class="sq-num">People excepted</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>{_as_of(seen_at, now)}"
    )


def _nothing(seen_at: datetime | None) -> str:
    return "no runs" if seen_at else "not looked yet"


def _as_of(seen_at: datetime | None, now: datetime) -> str:
    if seen_at == now:
        return ""
    when = f"As the last sweep left it, {time_html(seen_at, now)}." if seen_at else "No sweep has looked so far."
    return f'<p class="sq-facts">{when} Promise P14 looks at everybody once a day.</p>'


def _draw_next() -> None:
    with st.container(border=True, key="retention-next"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html('<h2 class="sq-id">What the next sweep deletes</h2>')
            st.button("Count", key="retention-count", icon=":material/search:", on_click=_count)
        due: tuple[DueRows, ...] | None = found_before(COUNTED)
        if due is None:
            st.html('<p class="sq-facts">Counting looks at every old row and deletes nothing.</p>')
        elif not due:
            st.html('<p class="sq-facts">Nothing: no row is older than it is kept.</p>')
        else:
            rows = "".join(
                f'<tr><td><code class="sq-ref">{escape(each.table)}</code></td><td>{_plan(each.plan)}</td>'
                f"<td>{escape(', '.join(each.categories)) or '–'}</td>"
                f'<td class="sq-num">{each.rows:,}</td></tr>'
                for each in due
            )
            st.html(
                '<div class="sq-scroll" tabindex="0" role="region" aria-label="Due rows"><table class="sq-table '
                'sq-slim"><thead><tr><th>Store</th><th>Plan</th><th>Categories</th><th class="sq-num">Rows</th></tr>'
                f"</thead><tbody>{rows}</tbody></table></div>"
            )


def _draw_sweeps(runtime: Runtime) -> None:
    now = runtime.clock.now()
    st.html('<h2 class="sq-id">Last sweeps</h2>')
    reports = list_reports(runtime, SHOWN)
    if not reports:
        st.html(
            '<div class="sq-blank"><b>No sweep yet.</b> The job <code class="sq-ref">retention</code> runs nightly. '
            "Start it under Jobs to run it now.</div>"
        )
        return
    rows = "".join(
        f"<tr><td>{time_html(report.started_at, now)}</td><td>{_state(report)}</td>"
        f'<td class="sq-num">{report.total:,}</td><td>{escape(_told(report))}</td></tr>'
        for report in reports
    )
    st.html(
        '<div class="sq-scroll" tabindex="0" role="region" aria-label="Last sweeps"><table class="sq-table">'
        '<thead><tr><th>Began</th><th>State</th><th class="sq-num">Rows</th><th>Deleted</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _state(report: SweepReport) -> str:
    return text_badge("done", "green") if report.finished_at else text_badge("not finished", "amber")


def _told(report: SweepReport) -> str:
    runs = report.counts.get("runs", {})
    other = {table: sum(plans.values()) for table, plans in report.counts.items() if table in ("files", "mail_outbox")}
    told = [f"{count(number, 'run')} of {_plan(plan)}" for plan, number in runs.items()]
    told += [f"{number:,} {'files' if table == 'files' else 'mails'}" for table, number in other.items()]
    return joined(*told) if told else "nothing was due"


def _plan(plan: str) -> str:
    return PLANS[plan].title if plan else "any"


@guarded
def _count() -> None:
    runtime = get_runtime()
    require_role(runtime, *ROLES)
    attempt(lambda: keep_found(COUNTED, due_rows(runtime)))


if __name__ == "__main__":
    retention_page()
