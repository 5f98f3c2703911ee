"""What keeps in step with pipelines from a room above, within the transaction that changes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.pipelines.definition import Definition

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


@dataclass(frozen=True)
class NewestVersion:
    """What a pipeline is now. `key_id`: the API key that made it so, where no person did."""

    owner: Account
    pipeline_id: str
    name: str
    definition: Definition
    key_id: str | None


class Follower(Protocol):
    """Told of every version that is saved, and of pipelines that are put away. Joins the session, never commits."""

    def saved(self, runtime: "Runtime", session: Session, newest: NewestVersion) -> None:
        """A pipeline has a new version."""

    def restored(self, runtime: "Runtime", session: Session, newest: NewestVersion) -> None:
        """A pipeline that was put away is back with the version that it had."""

    def archived(self, runtime: "Runtime", session: Session, pipeline_id: str) -> None:
        """A pipeline was put away."""
