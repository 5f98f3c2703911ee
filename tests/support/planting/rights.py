"""Rights: asked for in every way there is, answered by admins in words; copies that were made and not fetched."""

from __future__ import annotations

from datetime import timedelta

from core.accounts.domain import Account
from core.platform.runtime import Runtime
from core.privacy import deciding
from core.privacy.advance import advance_request
from core.privacy.asking import ask, enter_request
from core.privacy.commands import withdraw, write_message
from core.privacy.domain import Details
from core.privacy.policies.commands import publish, save_draft
from core.privacy.policies.notices import send_notices
from core.privacy.policies.queries import get_draft
from core.privacy.queries import open_requests, request_file
from core.privacy.retention.holds import lift_hold, place_hold
from tests.support.letters import last_letter, token_in
from tests.support.planting.forms import send
from tests.support.planting.stage import Signed, Stage
from tests.support.planting.words import Words


def plant_requests(stage: Stage, owner: Account, mine: Signed, admins: tuple[Signed, Signed], words: Words) -> None:
    """Every right, by every channel. What restricts comes last: nothing runs after it."""
    runtime, (first, second) = stage.runtime, admins
    _copies(stage, owner, mine, admins, words)
    _from_a_letter(runtime, owner, first, words)
    _by_form(stage, owner, words)
    held = place_hold(
        runtime, second.view, owner.id, law="Code civil 2224", reason=words.keep("reason of a hold"),
        until=runtime.clock.now() + timedelta(days=30),
    )  # fmt: skip
    lift_hold(runtime, second.view, held.id)
    _policy(runtime, first)
    _contested(stage, owner, mine, first, words)


def _copies(stage: Stage, owner: Account, mine: Signed, admins: tuple[Signed, Signed], words: Words) -> None:
    """A copy in which words of others are left out, signed twice; and one to take along. Both lie ready."""
    runtime, (first, second) = stage.runtime, admins
    asked = stage.ask("POST", "/privacy/requests", token=mine.token, json={
        "right": "access", "text": words.keep("note with a request"),
    }, headers={"Idempotency-Key": words.hide("key of a request")})["id"]  # fmt: skip
    found = deciding.comments_to_judge(runtime, request_file(runtime, asked).request)
    assert found, "a comment came by link"
    deciding.leave_out(
        runtime, first.view, asked, frozenset({found[0].review_id}), [words.keep("passage about another")]
    )
    assert not deciding.decide(runtime, first.view, asked, "accept", words.keep("reason of a decision"))
    deciding.sign_second(runtime, second.view, asked)
    along = ask(runtime, mine.view, "portability", Details()).id
    for request_id in (asked, along):
        stage.wait(lambda request_id=request_id: _closed(runtime, request_id), "the copy was made")  # type: ignore[misc]


def _closed(runtime: Runtime, request_id: str) -> bool:
    advance_request(runtime, request_id)
    return request_file(runtime, request_id).request.status == "closed"


def _from_a_letter(runtime: Runtime, owner: Account, by: Signed, words: Words) -> None:
    """Entered by an admin, with what showed who asked; refused in words, and written about."""
    now = runtime.clock.now()
    said = Details(text=words.keep("text of a letter"))
    entered = enter_request(
        runtime, by.view, email=owner.email, right="rectification", channel="letter",
        received_at=now - timedelta(days=2), details=said, evidence=words.keep("evidence of a letter"),
    )  # fmt: skip
    deciding.answer_message(runtime, by.view, entered.id, words.keep("message of an admin"))
    deciding.extend_to(
        runtime, by.view, entered.id, now.date() + timedelta(days=40), words.keep("reason of an extension")
    )
    deciding.reveal(runtime, by.view, entered.id, words.keep("reason of a look"))
    deciding.decide(runtime, by.view, entered.id, "refuse", words.keep("reason of a refusal"))
    deciding.drop_decision(runtime, by.view, entered.id)
    assert deciding.decide(runtime, by.view, entered.id, "accept", words.keep("second thoughts"))
    advance_request(runtime, entered.id)


def _by_form(stage: Stage, owner: Account, words: Words) -> None:
    """Without signing in: asked, confirmed through the mailed link; and once more, left unconfirmed."""
    runtime, client, path = stage.runtime, stage.client, "/privacy/request"
    said = {"email": owner.email, "right": "restriction", "text": words.keep("text of the form")}
    assert send(client, path, client.get(path).text, **said).status_code == 200
    token = token_in(last_letter(runtime, owner.email), "/privacy/confirm")
    page = client.get(f"/privacy/confirm?token={token}").text
    assert send(client, "/privacy/confirm", page).status_code == 200
    said = {"email": owner.email, "right": "rectification", "text": words.keep("text of another form")}
    assert send(client, path, client.get(path).text, **said).status_code == 200
    assert any(view.status == "awaiting_identity" for view in open_requests(runtime))


def _policy(runtime: Runtime, by: Signed) -> None:
    """A change that everybody is told of."""
    draft = get_draft(runtime, "privacy")
    saved = save_draft(
        runtime, by.view, "privacy", text=draft.text + "\n\nLogs go sooner.\n", summary="Logs go sooner.",
        material=True, effective_on=runtime.clock.now().date() + timedelta(days=30), revision=draft.revision,
    )  # fmt: skip
    publish(runtime, by.view, "privacy", revision=saved.revision)
    send_notices(runtime)


def _contested(stage: Stage, owner: Account, mine: Signed, by: Signed, words: Words) -> None:
    """A fact that is contested, with messages both ways; one more that was taken back."""
    runtime = stage.runtime
    asked = ask(runtime, mine.view, "rectification", Details(text=words.keep("contested fact")))
    write_message(runtime, mine.view, asked.id, words.keep("message of the person"))
    deciding.decide(runtime, by.view, asked.id, "refuse", words.keep("proposed refusal"))  # waits for a second one
    other = ask(runtime, mine.view, "rectification", Details(text=words.keep("what was taken back")))
    withdraw(runtime, mine.view, other.id)
    corrected = Details(name=words.name, email=words.keep("wanted address", "{tag}@planted.example"))
    ask(runtime, mine.view, "rectification", corrected)
