"""Backups: data and keys apart, verified before anything is touched, undone when it fails; and a new master key."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import select, update

from core.accounts.commands import create_account, set_secret
from core.accounts.queries import list_accounts, secret_values
from core.backup import restoring
from core.backup.archive import MANIFEST, verify
from core.backup.restoring import restore
from core.backup.saving import back_up_data, back_up_keys
from core.platform.datalock import DataLock
from core.platform.files.commands import store_file
from core.platform.files.queries import file_text
from core.platform.keystore import DATA_KEYS, HELD_SECONDS, KeyStore, version_of
from core.platform.master_key import begin_local_rotation, turn_local_key
from core.platform.rotation import rotate_master_key
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from core.platform.vault import Vault
from core.shared.clock import SystemClock
from core.shared.errors import Conflict, InvalidInput, InvariantViolated
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("postgres_keys")

ADA, EVE = "ada@example.org", "eve@example.org"


def leave(runtime: Runtime) -> Settings:
    """As if the process had ended."""
    runtime.database.dispose()
    runtime.vault.dispose()
    return runtime.settings


def test_data_and_keys_are_put_back(
    runtime: Runtime, runtime_with: Callable[..., Runtime], database_settings: dict[str, str], tmp_path: Path
) -> None:
    person = create_account(runtime, email=ADA, password=PASSWORD)
    set_secret(runtime, person.id, "TOKEN", "as it was")
    file = store_file(runtime, person.id, "notes.txt", b"as it was")
    back_up_data(runtime, tmp_path / "data.backup")
    back_up_keys(runtime, tmp_path / "keys.backup")
    assert (tmp_path / "data.backup").stat().st_mode & 0o077 == 0
    assert runtime.vault._keys.key(person.id).hex() not in (tmp_path / "keys.backup").read_text(errors="replace")
    set_secret(runtime, person.id, "TOKEN", "as it became")
    create_account(runtime, email=EVE, password=PASSWORD)
    runtime.vault.forget(person.id)
    settings = leave(runtime)
    assert restore(settings, tmp_path / "data.backup", tmp_path / "keys.backup") == 0
    again = runtime_with(**database_settings)
    assert [account.email for account in list_accounts(again)] == [ADA]
    assert secret_values(again, person.id) == {"TOKEN": "as it was"}
    assert file_text(again, person.id, file.id) == "as it was"
    assert not list(settings.data_dir.rglob("*before-restore*")) + list(settings.data_dir.rglob("*restoring*"))


def test_a_backup_that_is_not_whole_touches_nothing(
    runtime: Runtime, runtime_with: Callable[..., Runtime], database_settings: dict[str, str], tmp_path: Path
) -> None:
    person = create_account(runtime, email=ADA, password=PASSWORD)
    store_file(runtime, person.id, "notes.txt", b"x" * 5000)
    good, bad = tmp_path / "good", tmp_path / "bad"
    back_up_data(runtime, good)
    with tarfile.open(good) as tar:
        first = next(info for info in tar if info.name != MANIFEST)
    data = bytearray(good.read_bytes())
    data[first.offset_data + 10] ^= 1
    bad.write_bytes(data)
    back_up_keys(runtime, tmp_path / "keys")
    settings = leave(runtime)
    for file, keys in ((bad, None), (tmp_path / "keys", None), (good, good)):
        with pytest.raises(InvalidInput):
            restore(settings, file, keys)
    assert [account.id for account in list_accounts(runtime_with(**database_settings))] == [person.id]


def test_what_was_there_comes_back_when_it_fails(
    runtime: Runtime,
    runtime_with: Callable[..., Runtime],
    database_settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up_data(runtime, tmp_path / "empty")
    person = create_account(runtime, email=ADA, password=PASSWORD)
    file = store_file(runtime, person.id, "notes.txt", b"kept")
    settings = leave(runtime)

    def fail(_runtime: Runtime) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(restoring, "prepare", fail)
    with pytest.raises(RuntimeError):
        restore(settings, tmp_path / "empty")
    monkeypatch.undo()
    again = runtime_with(**database_settings)
    assert [account.id for account in list_accounts(again)] == [person.id]
    assert file_text(again, person.id, file.id) == "kept"
    leave(again)
    restore(settings, tmp_path / "empty")
    assert list_accounts(runtime_with(**database_settings)) == ()


def test_nothing_is_put_back_under_a_process_that_serves(sqlite_runtime: Runtime, tmp_path: Path) -> None:
    back_up_data(sqlite_runtime, tmp_path / "one.backup")
    lock = DataLock(sqlite_runtime.settings.data_dir)
    assert lock.acquire()
    with pytest.raises(Conflict) as refused:
        restore(sqlite_runtime.settings, tmp_path / "one.backup")
    assert refused.value.code == "DATA_IN_USE"
    lock.release()


def test_the_keys_of_another_master_key_are_refused(
    sqlite_runtime: Runtime, settings_with: Callable[..., Settings], tmp_path: Path
) -> None:
    back_up_data(sqlite_runtime, tmp_path / "one.backup")
    back_up_keys(sqlite_runtime, tmp_path / "keys")
    assert "STEPIQ_MASTER_KEY" not in json.dumps(verify(tmp_path / "keys", "keys")["master_key"]["version"])
    other = settings_with(data_dir=tmp_path / "other", master_key="ab" * 32)
    with pytest.raises(InvalidInput) as refused:
        restore(other, tmp_path / "one.backup", tmp_path / "keys")
    assert refused.value.code == "MASTER_KEY_WRONG" and not (tmp_path / "other" / "stepiq.db").exists()


def test_a_new_master_key_wraps_every_key_and_the_old_one_opens_none(
    runtime: Runtime, database_settings: dict[str, str], tmp_path: Path
) -> None:
    url, clock = runtime.settings.key_store, SystemClock()
    person = create_account(runtime, email=ADA, password=PASSWORD)
    set_secret(runtime, person.id, "TOKEN", "sealed before")
    old = runtime.vault._keys._masters[0]
    new = bytes(range(32))
    both = KeyStore(url, lambda: (new, old), clock)
    assert both.key(person.id) == runtime.vault._keys.key(person.id), "before it was rotated, both open"
    with both._engine.begin() as connection:  # one was wrapped anew before the process was killed
        row = connection.execute(select(DATA_KEYS).where(DATA_KEYS.c.subject_id == person.id)).one()
        values = {
            "wrapped_key": both._wrap(person.id, both._unwrap(row.subject_id, row.wrapped_key, row.master_version)),
            "master_version": version_of(new),
        }
        connection.execute(update(DATA_KEYS).where(DATA_KEYS.c.subject_id == person.id).values(values))
    assert both.rewrap() == 2 and both.rewrap() == 0  # the operator's and the installation's
    alone = Vault(KeyStore(url, lambda: (new,), clock))
    assert alone.seal_text(person.id, "x", "y") and alone.derive("x") == runtime.vault.derive("x")
    with pytest.raises(InvariantViolated) as wrong:
        KeyStore(url, lambda: (old,), clock).key(person.id)
    assert wrong.value.code == "MASTER_KEY_WRONG"


@pytest.mark.parametrize("cut", [False, True])
def test_an_installation_that_keeps_its_key_makes_a_new_one_beside_a_process_that_serves(
    sqlite_runtime: Runtime, runtime_with: Callable[..., Runtime], cut: bool
) -> None:
    runtime = sqlite_runtime
    file = runtime.settings.data_dir / "keys" / "master.key"
    person = create_account(runtime, email=ADA, password=PASSWORD)
    set_secret(runtime, person.id, "TOKEN", "sealed before")
    before = file.read_text()
    if cut:  # killed after the new key was in its place
        begin_local_rotation(runtime.settings)
        turn_local_key(runtime.settings)
    assert rotate_master_key(runtime_with()) == 3
    assert file.read_text() != before and sorted(each.name for each in file.parent.glob("master.key*")) == [file.name]
    runtime.vault._keys._held.clear()
    assert secret_values(runtime, person.id) == {"TOKEN": "sealed before"}, "it learns of the new key"
    assert create_account(runtime, email=EVE, password=PASSWORD).email == EVE
    assert len(list_accounts(runtime_with())) == 2


def test_a_key_that_another_process_destroyed_seals_for_a_few_seconds_only(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = create_account(runtime, email=ADA, password=PASSWORD)
    other = Vault(KeyStore(runtime.settings.key_store, runtime.vault._keys._ask_masters, SystemClock()))
    other.seal_text(person.id, "x", "y")
    runtime.vault.forget(person.id)
    with pytest.raises(InvariantViolated):
        runtime.vault.seal_text(person.id, "x", "y")
    other.seal_text(person.id, "x", "y")
    moment = other._keys._held[person.id].until
    assert moment <= monotonic() + HELD_SECONDS
    monkeypatch.setattr("core.platform.keystore.monotonic", lambda: moment)
    with pytest.raises(InvariantViolated) as gone:
        other.seal_text(person.id, "x", "y")
    assert gone.value.code == "KEY_GONE"


def test_an_erased_id_is_never_given_a_key_again(runtime: Runtime) -> None:
    account_id = runtime.ids.new()
    runtime.vault.entomb([account_id])
    with pytest.raises(InvariantViolated) as erased:
        runtime.vault.adopt(account_id)
    assert erased.value.code == "ERASED" and runtime.vault.entombed() == {account_id}
