"""An installation at work with everything of a planted person in it, for tests that look at what it tells to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from core.accounts.commands import create_account
from core.accounts.domain import ROLES
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.planting.plant import Planted, plant
from tests.support.planting.stage import Signed, Stage, outside, stage_of
from tests.support.planting.words import Words

ADMINS = ("root@example.org", "second@example.org")


def sign_in_admins(stage: Stage) -> tuple[Signed, Signed]:
    """Two, so that one may sign second."""
    for address in ADMINS:
        create_account(stage.runtime, email=address, password=PASSWORD, roles=ROLES)
    first, second = (stage.sign_in(address) for address in ADMINS)
    return first, second


@contextmanager
def planted_person(runtime_with: Callable[..., Runtime], **settings: Any) -> Iterator[tuple[Stage, Planted]]:
    """The installation, with these settings besides, and the person."""
    with outside() as around, stage_of(runtime_with(**{**around.settings, **settings}), around) as stage:
        yield stage, plant(stage, sign_in_admins(stage), Words())
