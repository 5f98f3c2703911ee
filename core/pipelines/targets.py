"""Where results and notices of a run go: a signed webhook, a mail, or a file of the person's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import Part, Written

NAME_OF_SECRET = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"  # noqa: S105 - a pattern
ADDRESS = r"^[^@\s<>\",;]+@[^@\s<>\",;]+$"
Address = Annotated[str, Field(pattern=ADDRESS, max_length=254)]
OWN_FIELDS = {
    "webhook": ("url", "method", "signing_secret_name"),
    "email": ("to", "subject"),
    "file": ("path",),
}
NEEDED = {"webhook": ("url", "signing_secret_name"), "email": ("to",), "file": ("path",)}


class Target(Part):
    """One receiver. A webhook is always signed, so it names the secret it is signed with."""

    type: Literal["webhook", "email", "file"]
    url: str | None = Field(default=None, min_length=1, max_length=4000)
    method: Literal["POST", "PUT", "PATCH"] | None = None
    signing_secret_name: str | None = Field(default=None, pattern=NAME_OF_SECRET)
    to: Address | Annotated[tuple[Address, ...], Field(strict=False, min_length=1, max_length=10)] | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=300)
    path: str | None = Field(default=None, min_length=1, max_length=300)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Whom a mail goes to."""
        return () if self.to is None else self.to if isinstance(self.to, tuple) else (self.to,)

    def written(self) -> Iterator[Written]:
        """The fields that read values of the run."""
        if self.url is not None:
            yield Written(("url",), self.url, secrets=True)
        if self.subject is not None:
            yield Written(("subject",), self.subject)
        if self.path is not None:
            yield Written(("path",), self.path)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Target:
        own = OWN_FIELDS[self.type]
        for name in NEEDED[self.type]:
            if getattr(self, name) is None:
                raise PydanticCustomError(
                    "no_source", "A target of type {type} needs `{name}`.", {"type": self.type, "name": name}
                )
        for names in OWN_FIELDS.values():
            for name in names:
                if name not in own and getattr(self, name) is not None:
                    raise PydanticCustomError(
                        "no_effect", "`{name}` does nothing for type {type}: remove it.",
                        {"type": self.type, "name": name},
                    )  # fmt: skip
        return self


Targets = Annotated[tuple[Target, ...], Field(strict=False, max_length=10)]


class Notifications(Part):
    """Who is told when a run has ended, well or badly."""

    on_success: Targets = ()
    on_failure: Targets = ()
