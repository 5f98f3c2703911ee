"""Asking for consent: only where something uses it, yes and no alike, remembered, taken over, and never by a signal."""

import re
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.consents import consent_states, list_choices
from core.accounts.domain import Account
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, browser, csrf_of
from tests.support.clock import FixedClock

PAGES = ("/", "/privacy", "/privacy/policy", "/privacy/policy/versions", "/terms")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def measured(runtime_with: Callable[..., Runtime], clock: FixedClock) -> Runtime:
    """An installation where measuring is configured."""
    return runtime_with(app_url=ORIGIN, clock=clock, posthog_api_key="phc_test", posthog_host="http://127.0.0.1:9")


@pytest.fixture
def visitor(measured: Runtime) -> Iterator[TestClient]:
    with browser(measured) as made:
        yield made


@pytest.fixture
def ada(measured: Runtime) -> Account:
    return create_account(measured, email="ada@example.org", password=PASSWORD)


def answer(client: TestClient, choice: str, here: str = "/privacy") -> None:
    page = client.get("/privacy/choices")
    done = client.post("/privacy/choices", data={"csrf_token": csrf_of(page.text), "choice": choice, "next": here})
    assert done.status_code == 303 and done.headers["location"] == here


def asks(client: TestClient, path: str = "/", **headers: str) -> bool:
    return 'class="ask"' in client.get(path, headers=headers).text


def sign_in_by_form(client: TestClient) -> None:
    page = client.get("/auth/login").text
    form = {"csrf_token": csrf_of(page), "email": "ada@example.org", "password": PASSWORD}
    assert client.post("/auth/login", data=form).status_code == 303


def test_nobody_is_asked_where_nothing_measures(client: TestClient) -> None:
    for path in PAGES:
        page = client.get(path)
        assert 'class="ask"' not in page.text and "set-cookie" not in page.headers
        assert "public" in page.headers["cache-control"]
    assert "nothing to choose" in client.get("/privacy/choices").text


def test_a_visitor_is_asked_with_two_buttons_alike_and_no_script(visitor: TestClient) -> None:
    for path in PAGES:
        page = visitor.get(path)
        asked = re.search(r'<section class="ask".*?</section>', page.text, re.S)
        assert asked is not None and "<script" not in page.text and "checked" not in asked[0]
        buttons = re.findall(r"<button ([^>]*)>(\w+)</button>", asked[0])
        assert [word for _, word in buttons] == ["No", "Yes"], "refusing comes first and is as near"
        assert len({attributes.rsplit(" value=", 1)[0] for attributes, _ in buttons}) == 1, "and looks the same"
        assert "no-store" in page.headers["cache-control"]
        assert set(visitor.cookies) <= {"stepiq_form"}, "only the cookie that the form needs"


@pytest.mark.parametrize("choice", ["yes", "no"])
def test_a_choice_is_kept_in_the_browser_for_six_months(
    visitor: TestClient, measured: Runtime, clock: FixedClock, choice: str
) -> None:
    answer(visitor, choice)
    assert visitor.cookies["stepiq_choice"].startswith(f"{choice}~2026-11-25~")
    assert not asks(visitor) and f"<strong>{choice.capitalize()}</strong>" in visitor.get("/privacy/choices").text
    clock.advance(days=180)
    assert not asks(visitor)
    clock.advance(days=2)
    assert asks(visitor), "six months later it is asked again, whatever was answered"


def test_a_choice_is_changed_with_one_click_and_goes_nowhere_else(visitor: TestClient) -> None:
    answer(visitor, "yes", "/terms")
    assert "Withdraw" in visitor.get("/privacy/choices").text
    answer(visitor, "no")
    assert "<strong>No</strong>" in visitor.get("/privacy/choices").text
    for wanted in ("https://evil.example/", "//evil.example", "/app/", "/privacy/../app", "/privacy\\x", "/privacyx"):
        page = visitor.get("/privacy/choices")
        data = {"csrf_token": csrf_of(page.text), "choice": "no", "next": wanted}
        assert visitor.post("/privacy/choices", data=data).headers["location"] == "/privacy/choices", wanted


def test_another_site_cannot_choose(visitor: TestClient, measured: Runtime) -> None:
    visitor.get("/")
    for data in ({"choice": "yes"}, {"choice": "yes", "csrf_token": "1.2.3"}, {"choice": "perhaps"}):
        assert visitor.post("/privacy/choices", data=data).status_code == 403
    assert "stepiq_choice" not in visitor.cookies


def test_a_forged_cookie_counts_for_nothing(visitor: TestClient) -> None:
    for value in ("yes", "yes~2026-11-25", "yes~1999-01-01~1", "maybe~2026-11-25~1", "yes~2026-11-25~" + "9" * 30):
        visitor.cookies.set("stepiq_choice", value)
        assert asks(visitor), value


def test_the_signal_of_a_browser_is_a_no_and_is_not_asked(visitor: TestClient, measured: Runtime, ada: Account) -> None:
    signal = {"Sec-GPC": "1"}
    assert not asks(visitor, **signal) and asks(visitor, **{"Sec-GPC": "0"})
    page = visitor.get("/privacy/choices", headers=signal).text
    assert "Global Privacy Control" in page and 'value="yes"' not in page
    form = csrf_of(visitor.get("/privacy/choices").text)
    done = visitor.post("/privacy/choices", data={"csrf_token": form, "choice": "yes"}, headers=signal)
    assert done.status_code == 200 and "stepiq_choice" not in visitor.cookies
    # Signed in, the no is recorded for the person, once.
    visitor.headers.update(signal)
    sign_in_by_form(visitor)
    for _ in range(2):
        visitor.get("/app/", headers={"Accept": "text/html"})
    choices = list_choices(measured, ada.id)
    assert [(each.granted, each.source) for each in choices] == [(False, "signal")]


def test_a_signal_takes_back_an_earlier_yes(visitor: TestClient, measured: Runtime, ada: Account) -> None:
    answer(visitor, "yes")
    sign_in_by_form(visitor)
    assert consent_states(measured, ada.id)["device_analytics"].is_granted
    visitor.get("/app/", headers={"Accept": "text/html", "Sec-GPC": "1"})
    assert consent_states(measured, ada.id)["device_analytics"].stand == "refused"


def test_what_a_visitor_chose_counts_after_signing_in_unless_something_newer_does(
    visitor: TestClient, measured: Runtime, ada: Account, clock: FixedClock
) -> None:
    answer(visitor, "no")
    clock.advance(hours=1)
    sign_in_by_form(visitor)
    first = list_choices(measured, ada.id)
    assert [(each.granted, each.source, each.text_version) for each in first] == [(False, "banner", "2026-11-25")]
    assert first[0].chosen_at < clock.now()
    token = sign_in(measured, email=ada.email, password=PASSWORD).token
    put = visitor.put(
        "/api/privacy/consent", json={"device_analytics": True}, headers={"Authorization": f"Bearer {token}"}
    )
    assert put.status_code == 200
    with browser(measured) as other:
        other.cookies.set("stepiq_choice", visitor.cookies["stepiq_choice"])
        sign_in_by_form(other)
    assert consent_states(measured, ada.id)["device_analytics"].is_granted, "the cookie's no is older"
    assert len(list_choices(measured, ada.id)) == 2


def test_the_api_tells_and_records(visitor: TestClient, measured: Runtime, ada: Account) -> None:
    token = sign_in(measured, email=ada.email, password=PASSWORD).token
    visitor.headers["Authorization"] = f"Bearer {token}"
    before = visitor.get("/api/privacy/consent").json()["choices"]
    assert [(each["purpose"], each["granted"], each["status"]) for each in before] == [
        ("device_analytics", False, "open"),
        ("product_news", False, "open"),
    ]
    done = visitor.put("/api/privacy/consent", json={"product_news": True})
    assert done.status_code == 200 and done.json()["choices"][1]["granted"]
    assert done.json()["choices"][0]["status"] == "open", "what was not said stays as it was"
    for body, code in (({}, 422), ({"ads": True}, 422), ({"product_news": "yes"}, 422)):
        assert visitor.put("/api/privacy/consent", json=body).status_code == code
    refused = visitor.put("/api/privacy/consent", json={"device_analytics": True}, headers={"Sec-GPC": "1"})
    assert refused.status_code == 409 and refused.json()["code"] == "GPC_SIGNAL"
    assert visitor.put("/api/privacy/consent", json={"product_news": False}).json()["choices"][1]["status"] == "refused"
    history = [(each.purpose, each.granted, each.source) for each in list_choices(measured, ada.id)]
    assert history == [("product_news", False, "api"), ("product_news", True, "api")], "kept as proof"
