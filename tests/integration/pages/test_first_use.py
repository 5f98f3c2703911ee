"""Before a provider first gets something of a person's, its terms are shown: one click, and again when they change."""

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.provider_notices import note_terms_seen, seen_terms
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline
from core.providers import catalogue
from core.providers.terms import terms_of
from tests.integration.pages.conftest import Person, page_test, text_of


def _asks(person: Person, model: str, **more: Any) -> str:
    step = {"id": "ask", "model": model, "prompt": "Say so.", "max_tokens": 10, **more}
    return create_pipeline(person.runtime, person.account, {"name": "Asks", "version": 1, "steps": [step]}).id


def _run(pipeline: str) -> AppTest:
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline)
    return app.button(key="run-primary").click().run()


def _runs(person: Person) -> int:
    return len(list_runs(person.runtime, person.account.id).items)


def test_a_provider_that_never_got_anything_is_introduced(payer: Person) -> None:
    app = _run(_asks(payer, "claude-sonnet-4-5"))
    said = text_of(app)
    assert "Anthropic has not received anything of yours before." in said
    assert "Standard contractual clauses" in said and "United States, outside the European Economic Area" in said
    assert _runs(payer) == 0
    app.button(key="before-run").click().run()
    assert _runs(payer) == 1
    assert seen_terms(payer.runtime, payer.account.id) == {("anthropic", terms_of("anthropic").checked_at)}
    assert "Before this run" not in text_of(_run(_asks(payer, "claude-haiku-4-5")))
    assert _runs(payer) == 2


def test_not_now_starts_nothing_and_asks_again(payer: Person) -> None:
    pipeline = _asks(payer, "claude-sonnet-4-5")
    _run(pipeline).button(key="before-no").click().run()
    assert _runs(payer) == 0 and seen_terms(payer.runtime, payer.account.id) == frozenset()
    assert "has not received" in text_of(_run(pipeline))


def test_the_demo_model_asks_nothing_but_its_fallback_does(payer: Person) -> None:
    _run(_asks(payer, "demo"))
    assert _runs(payer) == 1
    assert "Anthropic has not received" in text_of(_run(_asks(payer, "demo", fallback=["claude-sonnet-4-5"])))
    assert _runs(payer) == 1


def test_other_terms_are_shown_again(payer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    note_terms_seen(payer.runtime, payer.account.id, [("anthropic", terms_of("anthropic").checked_at)])
    newer = replace(terms_of("anthropic"), checked_at="2027-01-01")
    monkeypatch.setattr(catalogue, "terms_of", lambda _provider: newer)
    assert "Terms read on 2027-01-01" in text_of(_run(_asks(payer, "claude-sonnet-4-5")))
    assert _runs(payer) == 0
