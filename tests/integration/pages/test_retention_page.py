"""What operators see of retention: the oldest run a plan, the next sweep counted, the last ones."""

from datetime import timedelta

from core.accounts.commands import create_account
from core.platform.runtime import Runtime
from core.privacy.retention.sweep import sweep
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, text_of
from tests.support.old_history import add_runs


def old_runs(runtime: Runtime, days: float) -> None:
    person = create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")
    add_runs(runtime, person.id, 3, at=runtime.clock.now() - timedelta(days=days))


def test_an_empty_installation_is_told_what_comes(admin: Person) -> None:
    said = text_of(page_test("admin.retention", "retention_page"))
    assert "No sweep yet" in said and "no runs" in said and "too old" not in said


def test_the_next_sweep_is_counted_and_the_last_told(admin: Person) -> None:
    old_runs(admin.runtime, 100)
    app = page_test("admin.retention", "retention_page")
    assert "too old" in text_of(app) and "Counting looks at every old row" in text_of(app)
    app.button(key="retention-count").click().run()
    said = text_of(app)
    assert not app.exception and "step_runs" in said and "user.content" in said
    sweep(admin.runtime, admin.runtime.clock.now())
    said = text_of(page_test("admin.retention", "retention_page"))
    assert "3 runs of Free" in said and "too old" not in said
