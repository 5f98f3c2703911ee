"""A scan reads the files of PostgreSQL, and those that two databases share once."""

from collections.abc import Callable, Sequence

import pytest

from core.platform.runtime import Runtime
from core.privacy.scan import commands
from core.privacy.scan.files import Root, ask
from tests.support.postgres import new_database, new_migrated_database


def test_the_log_that_data_and_keys_share_is_read_once(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = runtime_with(database_url=new_migrated_database(), key_store_url=new_database())
    looked_at: list[str] = []

    def noted(values: Sequence[str], roots: Sequence[Root]) -> bytes:
        looked_at.extend(root.path for root in roots)
        return ask(values, roots)

    monkeypatch.setattr(commands, "ask", noted)
    assert not commands.scan(runtime, ["nowhere-canary-6201"]).hits
    assert len(looked_at) == len(set(looked_at))
    assert [path.endswith("/pg_wal") for path in looked_at].count(True) == 1
    assert ["/base/" in path for path in looked_at].count(True) == 2
