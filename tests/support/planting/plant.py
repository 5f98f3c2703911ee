"""One person, planted everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import pyotp

from core.accounts import second_factor
from core.accounts.domain import Account
from core.accounts.invitations import invite
from core.accounts.looks import open_look
from core.accounts.passwords import forget_password
from core.accounts.provider_notices import note_terms_seen
from core.accounts.queries import find_account, get_account
from core.accounts.registration import request_code
from core.accounts.suspension import suspend
from core.analytics.commands import flush
from core.execution.content_looks import look_at_pipelines
from core.execution.queries import list_runs
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.letters import code_in, last_letter, letters_to
from tests.support.planting.money import plant_purchases
from tests.support.planting.rights import plant_requests
from tests.support.planting.runs import plant_runs
from tests.support.planting.stage import Signed, Stage
from tests.support.planting.words import Words


@dataclass
class Planted:
    """The person, and every value by what it is."""

    account: Account
    words: Words
    runs: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """All that has to be found before an erasure."""
        return {**self.words.kept, "address": self.words.address, "name": self.words.name}


def plant(stage: Stage, admins: tuple[Signed, Signed], words: Words) -> Planted:
    """Use every way in for one person who registers, buys, works, asks for their rights, and is known to admins."""
    runtime = stage.runtime
    token = _register(stage, words)
    found = find_account(runtime, words.address)
    assert found is not None
    plant_purchases(stage, found, admins[0], token, words)
    owner = get_account(runtime, found.id)
    assert owner.plan == "pro"
    plant_runs(stage, owner, token, words)
    runtime.events.write_now()
    assert flush(runtime), "use was counted"
    _choices(stage, owner, token)
    _looked_at(stage, owner, admins[0], words)
    mine = Signed(token, stage.confirmed(token))
    plant_requests(stage, owner, mine, admins, words)
    _known_to_others(runtime, owner, admins[0])
    letters_to(runtime, owner.email)
    _second_factor(runtime, owner)  # the mail about it waits in the outbox
    suspend(runtime, admins[0].view, owner.id, words.keep("reason of a suspension"))
    runs = tuple(run.id for run in list_runs(runtime, owner.id, limit=100).items)
    return Planted(get_account(runtime, owner.id), words, runs)


def _register(stage: Stage, words: Words) -> str:
    """Registered over HTTP with a code by mail, signed in again with another program; a token of theirs."""
    agent = {"User-Agent": words.keep("device", "{tag}/1") + " (" + words.keep("rest of a program's name") + ")"}
    stage.ask("POST", "/auth/register/request-code", json={"email": words.address}, headers=agent)
    code = code_in(last_letter(stage.runtime, words.address))
    who = {"email": words.address, "password": PASSWORD, "name": words.name, "code": code}
    stage.ask("POST", "/auth/register", json=who, headers=agent)
    body = {"email": words.address, "password": PASSWORD}
    other = {"User-Agent": words.keep("other device", "{tag}/2")}
    token: str = stage.ask("POST", "/auth/login", json=body, headers=other)["token"]
    return token


def _choices(stage: Stage, owner: Account, token: str) -> None:
    stage.ask("PUT", "/privacy/consent", token=token, json={"product_news": True})
    note_terms_seen(stage.runtime, owner.id, [("anthropic", "2026-01-01")])


def _looked_at(stage: Stage, owner: Account, by: Signed, words: Words) -> None:
    """An admin opens what is theirs, and says why."""
    open_look(stage.runtime, by.view, owner.id, words.keep("reason to look at content"))
    look_at_pipelines(stage.runtime, by.view, owner.id)


def _known_to_others(runtime: Runtime, owner: Account, by: Signed) -> None:
    """A link for a forgotten password, a code for an address that has an account, an invitation."""
    forget_password(runtime, email=owner.email)
    request_code(runtime, email=owner.email)
    invite(runtime, by.view, email=owner.email)


def _second_factor(runtime: Runtime, owner: Account) -> None:
    """An authenticator whose entry is named by the address, with recovery codes."""
    key = pyotp.parse_uri(second_factor.begin(runtime, owner))
    assert isinstance(key, pyotp.TOTP)
    second_factor.switch_on(runtime, owner, key.at(runtime.clock.now()))
