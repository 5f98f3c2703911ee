"""Secrets on both databases: two scopes, encrypted, never listed with their values."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from core.accounts.commands import create_account, delete_secret, set_secret
from core.accounts.domain import SECRETS_A_SCOPE, Account
from core.accounts.postings import note_secrets_used
from core.accounts.queries import list_secrets, secret_names, secret_values
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, InvariantViolated, LimitExceeded, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

VALUE = "sk-canary-9f3e2b71"


def rows(runtime: Runtime) -> list[dict[str, object]]:
    with runtime.database.read() as session:
        return [dict(row) for row in session.execute(text("SELECT * FROM secrets ORDER BY id")).mappings()]


def test_a_secret_is_kept_listed_without_its_value_and_replaced(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock, **database_settings)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    made = set_secret(runtime, owner.id, "API_KEY", VALUE)
    assert list_secrets(runtime, owner.id) == (made,)
    assert (made.name, made.pipeline_id, made.last_used_at) == ("API_KEY", None, None)
    assert VALUE not in repr(made)
    clock.advance(hours=1)
    again = set_secret(runtime, owner.id, "API_KEY", "another value\n")
    assert again.created_at == made.created_at and again.updated_at == clock.now()
    assert secret_values(runtime, owner.id) == {"API_KEY": "another value\n"}, "kept as it was sent"
    with pytest.raises(Conflict):
        set_secret(runtime, owner.id, "API_KEY", VALUE, replace=False)
    assert secret_values(runtime, owner.id) == {"API_KEY": "another value\n"}
    set_secret(runtime, owner.id, "ALPHA", VALUE, replace=False)
    assert [view.name for view in list_secrets(runtime, owner.id)] == ["ALPHA", "API_KEY"]
    delete_secret(runtime, owner.id, "API_KEY")
    assert [view.name for view in list_secrets(runtime, owner.id)] == ["ALPHA"]
    with pytest.raises(NotFound):
        delete_secret(runtime, owner.id, "API_KEY")


def test_a_pipelines_own_secret_comes_first(runtime: Runtime, owner: Account) -> None:
    set_secret(runtime, owner.id, "KEY", "for all pipelines", pipeline_id=None)
    set_secret(runtime, owner.id, "KEY", "for this one only", pipeline_id="p1")
    set_secret(runtime, owner.id, "ONLY_HERE", "of this one", pipeline_id="p1")
    assert secret_values(runtime, owner.id) == {"KEY": "for all pipelines"}
    assert secret_values(runtime, owner.id, "p1") == {"KEY": "for this one only", "ONLY_HERE": "of this one"}
    assert secret_values(runtime, owner.id, "p2") == {"KEY": "for all pipelines"}
    assert secret_names(runtime, owner.id, "p1") == {"KEY", "ONLY_HERE"}
    assert secret_names(runtime, owner.id) == {"KEY"}
    assert [view.name for view in list_secrets(runtime, owner.id, pipeline_id="p1")] == ["KEY", "ONLY_HERE"]
    delete_secret(runtime, owner.id, "KEY", pipeline_id="p1")
    assert secret_values(runtime, owner.id, "p1") == {"KEY": "for all pipelines", "ONLY_HERE": "of this one"}
    with pytest.raises(NotFound):
        delete_secret(runtime, owner.id, "ONLY_HERE")


def test_secrets_are_their_owners_alone(runtime: Runtime, owner: Account) -> None:
    other = create_account(runtime, email="bob@example.org", password=PASSWORD)
    set_secret(runtime, owner.id, "KEY", VALUE)
    set_secret(runtime, owner.id, "KEY", VALUE, pipeline_id="p1")
    assert list_secrets(runtime, other.id) == () == list_secrets(runtime, other.id, pipeline_id="p1")
    assert secret_values(runtime, other.id, "p1") == {} and secret_names(runtime, other.id, "p1") == frozenset()
    with pytest.raises(NotFound):
        delete_secret(runtime, other.id, "KEY")
    set_secret(runtime, other.id, "KEY", "of the other")
    assert secret_values(runtime, owner.id) == {"KEY": VALUE}


def test_rows_are_encrypted_and_bound_to_their_place(runtime: Runtime, owner: Account) -> None:
    set_secret(runtime, owner.id, "CANARY_NAME", VALUE)
    set_secret(runtime, owner.id, "OTHER", "another value")
    stored = rows(runtime)
    assert all((row["algorithm"], row["key_version"]) == ("AES-256-GCM", 1) for row in stored)
    raw = repr(stored)
    assert VALUE not in raw and "CANARY_NAME" not in raw
    assert stored[0]["name_index"] != stored[1]["name_index"]
    with runtime.database.write() as session:
        swap = text("UPDATE secrets SET value = :value WHERE id = :id")
        session.execute(swap, {"value": stored[0]["value"], "id": stored[1]["id"]})
    with pytest.raises(InvariantViolated):
        secret_values(runtime, owner.id)


@pytest.mark.parametrize("name", ["", "1KEY", "a-b", "a b", "É", "a" * 101, "KEY\n", "env.KEY", "K\u0130"])
def test_names_that_a_template_cannot_say_are_refused(sqlite_runtime: Runtime, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        set_secret(sqlite_runtime, "nobody", name, VALUE)
    assert refusal.value.code == "INVALID_SECRET_NAME"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "SECRET_TOO_SHORT"),
        ("abc", "SECRET_TOO_SHORT"),
        ("  abc\n", "SECRET_TOO_SHORT"),
        ("canary-" + "x" * 16 * 1024, "SECRET_TOO_LONG"),
        ("canary-" + "é" * 8 * 1024, "SECRET_TOO_LONG"),
        ("canary\0canary", "INVALID_SECRET"),
        ("canary\ud800", "INVALID_SECRET"),
    ],
)
def test_values_that_cannot_be_kept_or_masked_are_refused_unquoted(
    sqlite_runtime: Runtime, value: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        set_secret(sqlite_runtime, "nobody", "KEY", value)
    assert refusal.value.code == code
    assert "canary" not in repr((refusal.value, refusal.value.context, refusal.value.__cause__))


def test_the_smallest_and_the_largest_value_are_kept(runtime: Runtime, owner: Account) -> None:
    set_secret(runtime, owner.id, "_a9", "abcd")
    set_secret(runtime, owner.id, "a" * 100, "é" * 8 * 1024)
    assert secret_values(runtime, owner.id) == {"_a9": "abcd", "a" * 100: "é" * 8 * 1024}


def test_a_scope_has_an_end(sqlite_runtime: Runtime) -> None:
    owner = create_account(sqlite_runtime, email="ada@example.org", password=PASSWORD)
    for number in range(SECRETS_A_SCOPE):
        set_secret(sqlite_runtime, owner.id, f"KEY_{number}", VALUE)
    with pytest.raises(LimitExceeded):
        set_secret(sqlite_runtime, owner.id, "ONE_MORE", VALUE)
    set_secret(sqlite_runtime, owner.id, "KEY_7", "replaced")
    set_secret(sqlite_runtime, owner.id, "ELSEWHERE", VALUE, pipeline_id="p1")
    assert secret_values(sqlite_runtime, owner.id)["KEY_7"] == "replaced"


def test_many_at_once_leave_one(runtime: Runtime, owner: Account) -> None:
    values = [f"value number {number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda value: set_secret(runtime, owner.id, "KEY", value), values))
    assert {view.name for view in made} == {"KEY"} and len(rows(runtime)) == 1
    assert secret_values(runtime, owner.id)["KEY"] in values


def test_use_is_noted_in_the_scope_it_came_from(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock, **database_settings)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    for name, scope in (("KEY", None), ("KEY", "p1"), ("SHARED", None), ("UNUSED", None)):
        set_secret(runtime, owner.id, name, VALUE, pipeline_id=scope)
    clock.advance(minutes=5)
    with runtime.database.write() as session:
        note_secrets_used(runtime, session, owner.id, "p1", ["KEY", "SHARED", "MISSING"])
    used = {(view.name, view.pipeline_id): view.last_used_at for view in list_secrets(runtime, owner.id)}
    used |= {(v.name, v.pipeline_id): v.last_used_at for v in list_secrets(runtime, owner.id, pipeline_id="p1")}
    assert used == {
        ("KEY", "p1"): clock.now(), ("KEY", None): None, ("SHARED", None): clock.now(), ("UNUSED", None): None,
    }  # fmt: skip
