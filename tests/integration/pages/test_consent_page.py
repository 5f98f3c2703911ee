"""My choices: a switch a purpose, off until chosen; the banner only where something uses it."""

from collections.abc import Callable, Iterator

import pytest

from core.accounts.consents import ANALYTICS, consent_states, list_choices
from core.bootstrap import set_runtime
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, open_shell, page_test, sign_in_person, text_of


@pytest.fixture
def measured(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    yield sign_in_person(runtime_with(posthog_api_key="phc_x", posthog_host="http://127.0.0.1:9"), monkeypatch)
    set_runtime(None)


def test_switches_are_off_and_one_click_each_way(person: Person) -> None:
    app = page_test("pages.account.preferences", "preferences_page")
    assert "Nothing here uses it at present" in text_of(app)
    assert [toggle.value for toggle in app.toggle] == [False, False]
    app = app.toggle(key="choice-product_news").set_value(True).run()
    assert consent_states(person.runtime, person.account.id)["product_news"].is_granted
    assert "<b>Yes</b>, under Preferences" in text_of(app)
    app = app.toggle(key="choice-product_news").set_value(False).run()
    assert consent_states(person.runtime, person.account.id)["product_news"].stand == "refused"
    assert [each.granted for each in list_choices(person.runtime, person.account.id)] == [False, True]
    assert not app.exception


def test_nobody_is_asked_where_nothing_uses_it(person: Person) -> None:
    assert "Measuring on your device" not in text_of(open_shell())


@pytest.mark.parametrize("key", ["consent-no", "consent-yes"])
def test_the_banner_asks_once(measured: Person, key: str) -> None:
    app = open_shell()
    assert "Measuring on your device" in text_of(app)
    app = app.button(key=key).click().run()
    stand = consent_states(measured.runtime, measured.account.id)[ANALYTICS]
    assert stand.is_granted == (key == "consent-yes") and stand.choice is not None and stand.choice.source == "banner"
    assert "Measuring on your device" not in text_of(app) and not app.exception
