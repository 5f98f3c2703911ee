"""Admins write, look at and publish a version in the app; people see a notice and put it away."""

from datetime import timedelta

from streamlit.testing.v1 import AppTest

from core.privacy.policies.queries import announced_version, current_version, get_draft, notice_figures
from tests.integration.pages.conftest import Person, open_shell, page_test, text_of


def write_draft(admin: Person) -> AppTest:
    app = page_test("admin.policy", "policy_page")
    assert not app.exception
    text = get_draft(admin.runtime, "privacy").text
    day = (admin.runtime.clock.now() + timedelta(days=20)).date()
    app.text_area(key="policy-text").set_value(text.replace("within 30 days", "within 20 days"))
    app.text_area(key="policy-summary").set_value("We answer sooner.")
    app.date_input(key="policy-day").set_value(day)
    return next(each for each in app.button if each.label == "Save the draft").click().run()


def test_a_draft_is_looked_at_and_published(admin: Person) -> None:
    app = write_draft(admin)
    assert not app.exception and get_draft(admin.runtime, "privacy").revision == 1
    shown = text_of(app)
    assert "<del>30</del><ins>20</ins>" in shown and "word</ins>" not in shown
    app = app.button(key="policy-publish").click().run()
    assert not app.exception and not app.error
    version = announced_version(admin.runtime, "privacy")
    assert version is not None and version.summary == "We answer sooner."
    assert "Announced" in text_of(app) and "1 still to be told" in text_of(app)
    assert current_version(admin.runtime, "privacy").shipped
    app = app.button(key="policy-take-back").click().run()
    assert announced_version(admin.runtime, "privacy") is None and "Announced" not in text_of(app)


def test_what_is_wrong_with_a_draft_is_said_and_nothing_is_lost(admin: Person) -> None:
    app = page_test("admin.policy", "policy_page")
    app.text_area(key="policy-text").set_value("## Only this {P99}\n\nWords.")
    app.text_area(key="policy-summary").set_value("All of it.")
    day = (admin.runtime.clock.now() + timedelta(days=20)).date()
    app.date_input(key="policy-day").set_value(day)
    app = next(each for each in app.button if each.label == "Save the draft").click().run()
    app = app.button(key="policy-publish").click().run()
    assert (
        "There is no promise P99." in app.error[0].value and "No section makes the promise P01." in app.error[0].value
    )
    assert app.text_area(key="policy-text").value.startswith("## Only this")
    app = app.button(key="policy-drop").click().run()
    assert get_draft(admin.runtime, "privacy").revision == 0 and "Who we are" in app.text_area(key="policy-text").value


def test_people_see_the_notice_until_they_put_it_away(admin: Person) -> None:
    write_draft(admin).button(key="policy-publish").click().run()
    version = announced_version(admin.runtime, "privacy")
    assert version is not None
    app = open_shell()
    assert not app.exception and "The privacy policy changes on" in text_of(app) and "We answer sooner." in text_of(app)
    assert notice_figures(admin.runtime, version).seen == 1
    app = app.button(key="policy-put-away-privacy").click().run()
    assert "The privacy policy changes on" not in text_of(app)
    assert "The privacy policy changes on" not in text_of(open_shell())
