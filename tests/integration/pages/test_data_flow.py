"""Where my data went: drawn from the person's own rows, filtered by the address, taught where there is nothing."""

from core.accounts.commands import create_account
from core.accounts.provider_notices import seen_terms
from core.pipelines.commands import create_pipeline
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, know_terms, page_test, text_of
from tests.support.sent_rows import sent

STEP = {"id": "ask", "model": "demo", "prompt": "Hello"}


def _page(**query: str) -> str:
    return text_of(page_test("pages.account.data_flow", "data_flow_page", **query))


def _pipeline(person: Person, name: str) -> str:
    definition = {"name": name, "version": 1, "steps": [STEP]}
    return create_pipeline(person.runtime, person.account, definition).id


def test_it_teaches_where_nothing_left(person: Person) -> None:
    assert "Nothing of yours has left yet." in _page()


def test_the_picture_and_the_table_say_who_got_what(person: Person) -> None:
    know_terms(person)
    letters, orders = _pipeline(person, "Letters <b>"), _pipeline(person, "Orders")
    for _ in range(3):
        sent(person.runtime, person.account.id, pipeline_id=letters, categories="user.contact.email")
    hook = {"kind": "webhook", "region": None, "purpose": "step", "funding": None}
    sent(person.runtime, person.account.id, "hooks.example.org", pipeline_id=orders, categories=None, **hook)
    sent(person.runtime, person.account.id, "file store", pipeline_id=orders, **{**hook, "kind": "file"})
    said = _page()
    assert "Letters &lt;b&gt;" in said
    assert "United States, outside the EEA" in said and "e-mail addresses" in said
    assert "hooks.example.org" in said and "A host that you named" in said and "not looked at" in said
    assert "Your files" in said and "Standard contractual clauses" in said


def test_the_address_filters_by_pipeline_and_time(person: Person) -> None:
    letters, orders = _pipeline(person, "Letters"), _pipeline(person, "Orders")
    sent(person.runtime, person.account.id, pipeline_id=letters)
    sent(person.runtime, person.account.id, "openai", pipeline_id=orders)
    said = _page(pipeline=orders, period="7")
    assert "<td>Orders</td>" in said and "OpenAI" in said and "<td>Letters</td>" not in said
    nothing = _pipeline(person, "Nothing")
    assert "Nothing left in this time." in _page(pipeline=nothing)
    assert "<td>Letters</td>" in _page(pipeline="somebody-elses", period="nonsense")


def test_nobody_sees_what_others_sent(person: Person) -> None:
    other = create_account(person.runtime, email="eve@example.org", password=PASSWORD)
    sent(person.runtime, other.id)
    assert "Nothing of yours has left yet." in _page()


def test_terms_that_nobody_was_shown_are_shown_here(person: Person) -> None:
    sent(person.runtime, person.account.id)
    page = page_test("pages.account.data_flow", "data_flow_page")
    assert "1 provider got something before you were shown the terms" in text_of(page)
    page.button(key="flow-seen").click().run()
    assert {provider for provider, _ in seen_terms(person.runtime, person.account.id)} == {"anthropic"}
    assert "before you were shown" not in _page()


def test_admins_see_counts_and_safeguards(admin: Person) -> None:
    for number in range(5):
        sent(admin.runtime, f"person-{number}")
    sent(admin.runtime, "person-1", "hooks.secret.example", kind="webhook")
    said = text_of(page_test("admin.egress", "egress_page"))
    assert "Anthropic" in said and "Fewer than 5 people each" in said and "hooks.secret.example" not in said
    assert "None: no key is set" in said
