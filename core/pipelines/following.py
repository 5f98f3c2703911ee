"""What keeps in step with pipelines from a room above, within the transaction that changes them."""

from typing import TYPE_CHECKING, Protocol

from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.pipelines.definition import Definition

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


class Follower(Protocol):
    """Told of every version that is saved, and of pipelines that are put away. Joins the session, never commits."""

    def saved(
        self,
        runtime: "Runtime",
        session: Session,
        owner: Account,
        pipeline_id: str,
        name: str,
        definition: Definition,
        key_id: str | None,
    ) -> None:
        """This definition is the newest version of a pipeline now. `key_id`: the API key that saved it."""

    def restored(
        self,
        runtime: "Runtime",
        session: Session,
        owner: Account,
        pipeline_id: str,
        name: str,
        definition: Definition,
        key_id: str | None,
    ) -> None:
        """A pipeline that was put away is back with this definition."""

    def archived(self, runtime: "Runtime", session: Session, pipeline_id: str) -> None:
        """A pipeline was put away."""
