"""`webhook`: one HTTP request to somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import BaseStep, Shape, Written, written_values

Status = Annotated[int, Field(ge=100, le=599)]
HEADER_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
HeaderName = Annotated[str, Field(pattern=HEADER_PATTERN)]


class WebhookStep(BaseStep):
    """Sends a request. Output: `{status, headers, body}`, the body parsed where it is JSON."""

    barrier: ClassVar[bool] = True
    shape: ClassVar[Shape] = "json"
    type: Literal["webhook"]
    url: str = Field(min_length=1, max_length=4000)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    headers: dict[HeaderName, str] = Field(default_factory=dict, max_length=50)
    body: Any = None
    expect_status: Status | Annotated[tuple[Status, ...], Field(strict=False, min_length=1, max_length=20)] | None = (
        None
    )

    @property
    def expected(self) -> tuple[int, ...]:
        """The statuses that count as success; empty: any below 400."""
        written = self.expect_status
        return () if written is None else written if isinstance(written, tuple) else (written,)

    def written(self) -> Iterator[Written]:
        """Address, headers and body; all of them may use secrets."""
        yield Written(("url",), self.url, secrets=True)
        for name, value in self.headers.items():
            yield Written(("headers", name), value, secrets=True)
        yield from written_values(self.body, ("body",), secrets=True)
        yield from super().written()

    @field_validator("url")
    @classmethod
    def _has_a_scheme(cls, url: str) -> str:
        if not url.startswith(("http://", "https://", "{{")):
            raise PydanticCustomError("no_scheme", "`url` must begin with https:// or http://, or with a reference.")
        return url
