"""`/review/{token}`: a question of a run, answered through the single-use link of a mail, without signing in.

The token is the secret: whoever has the link may decide, once, and a form elsewhere cannot be made without it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.execution.domain import Decision, ReviewView
from core.execution.reviews import decide_by_link, review_of_link
from core.shared.clock import iso_z
from core.shared.errors import AppError, NotFound
from core.shared.types import JsonValue
from web.errors import status_of
from web.forms import read_fields
from web.rendering import message_page, page

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

# No cache and no search engine keeps the address; that the next site is not told it is said with the other headers.
QUIET = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
DECISIONS: dict[str, Decision] = {"approve": "approve", "reject": "reject"}
SHOWN = 100_000


class ReviewPages:
    """The page of a review's link, over one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def routes(self) -> list[BaseRoute]:
        """GET shows the question, POST takes the answer."""
        return [
            Route("/review/{token}", self.show, methods=["GET"]),
            Route("/review/{token}", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The question, for a link that still works. Looking at it does not use it up."""
        try:
            review = await to_thread.run_sync(review_of_link, self._runtime, request.path_params["token"])
        except NotFound:
            return _used()
        return self._form_page(request, review)

    async def take(self, request: Request) -> Response:
        """Decide."""
        token = request.path_params["token"]
        fields = await read_fields(request)
        try:
            review = await to_thread.run_sync(review_of_link, self._runtime, token)
        except NotFound:
            return _used()
        decision = DECISIONS.get(fields.get("decision", ""))
        if decision is None:
            return self._form_page(request, review, fields, error="Choose Approve or Reject.", status=422)
        try:
            output = _edited(review, fields) if decision == "approve" else {}
        except ValueError:
            error = "Your version is not JSON any more: correct it. It is kept as you wrote it."
            return self._form_page(request, review, fields, error=error, status=422)
        comment = fields.get("comment", "")
        try:
            await to_thread.run_sync(partial(decide_by_link, self._runtime, token, decision, comment=comment, **output))
        except NotFound:
            return _used()
        except AppError as error:
            return self._form_page(request, review, fields, error=error.message, status=status_of(error))
        word = "Approved" if decision == "approve" else "Rejected"
        return _quiet(message_page(200, word, "Thank you. The run goes on, and this link has served."))

    def _form_page(
        self,
        request: Request,
        review: ReviewView,
        fields: dict[str, str] | None = None,
        *,
        error: str = "",
        status: int = 200,
    ) -> Response:
        typed = fields or {}
        values: dict[str, Any] = {
            "action": request.url.path,
            "message": review.message,
            "step": review.step_id,
            "output": _text(review.output)[:SHOWN],
            "has_output": review.output is not None,
            "is_long": len(_text(review.output)) > SHOWN,
            "editable": review.editable and len(_text(review.output)) <= SHOWN,
            "edited": typed.get("output", _text(review.output)),
            "comment": typed.get("comment", ""),
            "due": iso_z(review.due_at).replace("T", " ").removesuffix("Z")[:16] + " UTC",
            "silence": "approved" if review.on_timeout == "approve" else "rejected",
            "error": error,
        }
        return page("review.html", status=status, headers=QUIET, **values)


def _edited(review: ReviewView, fields: dict[str, str]) -> dict[str, JsonValue]:
    """The edited output as a keyword, nothing where it was not changed. Raises ValueError for JSON that is none."""
    if not review.editable or "output" not in fields:
        return {}
    text = fields["output"].replace("\r\n", "\n")
    if text == _text(review.output):
        return {}
    return {"output": text if isinstance(review.output, str) else json.loads(text)}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _used() -> Response:
    text = (
        "It was used already, or the run has ended, or it was not copied whole. "
        "Who decided what is in the app, under Reviews."
    )
    return _quiet(message_page(404, "This link has served", text, link=("/app/reviews", "Open the app")))


def _quiet(response: Response) -> Response:
    response.headers.update(QUIET)
    return response
