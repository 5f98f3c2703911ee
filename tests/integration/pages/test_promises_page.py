"""Admins see what the checks found, look again, and take the record of processing with them."""

import pytest

from core.accounts.audit import list_acts
from core.privacy.checks import register
from core.privacy.checks.finding import broken
from core.privacy.checks.queries import latest_evidence
from tests.integration.pages.conftest import Person, page_test, text_of


def test_promises_are_shown_and_looked_at_again(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page_test("admin.promises", "promises_page")
    assert not app.exception and text_of(app).count("not looked at yet") == 27
    monkeypatch.setitem(register.CHECKS, "P14", lambda _runtime: broken("3 runs older than their plan.", late=3))
    app = app.button(key="check-P14").click().run()
    shown = text_of(app)
    assert "3 runs older than their plan." in shown and "broken since" in shown
    assert shown.index("P14</span>") < shown.index("P01</span>"), "what is broken comes first"
    assert sum(each.finding is not None for each in latest_evidence(admin.runtime)) == 1
    assert list_acts(admin.runtime, 1).items[0].act == "promises.checked"
    overview = text_of(page_test("admin.overview", "overview_page"))
    assert "1 promise of the privacy policy broken" in overview
    app = app.button(key="check-all").click().run()
    assert not app.exception and all(each.finding is not None for each in latest_evidence(admin.runtime))
