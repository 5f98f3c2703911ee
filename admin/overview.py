"""The first page of the operators: how many people there are."""

from __future__ import annotations

import streamlit as st

from core.accounts.queries import installation_overview
from core.bootstrap import get_runtime
from pages.ui.session import require_role


def overview_page() -> None:
    """Counts of people, admins and plans."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    overview = installation_overview(runtime)
    st.html('<h1 class="sq-title">Overview</h1><p class="sq-facts">This installation, now.</p>')
    with st.container(key="figures"):
        people, admins, _, _ = st.columns(4)
    people.metric("People", f"{overview.people:,}", border=True)
    admins.metric("Admins", f"{overview.admins:,}", border=True)
    plans = overview.by_plan.items()
    if plans:
        rows = "".join(
            f'<tr><td>{plan.capitalize()}</td><td class="sq-num">{number:,}</td></tr>' for plan, number in plans
        )
        st.html(
            '<table class="sq-table sq-slim"><thead><tr><th>Plan</th><th class="sq-num">People</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>"
        )


if __name__ == "__main__":
    overview_page()
