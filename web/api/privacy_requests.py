"""`privacy/requests`: the rights a person has over their data. Used by a signed-in person, never by an API key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from core.privacy.answers import answer_pdf
from core.privacy.asking import ask
from core.privacy.commands import begin_now, withdraw
from core.privacy.domain import Details
from core.privacy.queries import get_request, list_requests
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, OnceDep, RuntimeDep, SessionDep
from web.api.privacy_payloads import (
    PrivacyRequestAnswer,
    PrivacyRequestBody,
    PrivacyRequestItem,
    file_json,
    request_json,
)
from web.api.shapes import Listing, answers, file_answer
from web.api.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["privacy"])
PDF: dict[str, Any] = {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}


@router.get("/privacy/requests", response_model=None, responses=answers(200, Listing[PrivacyRequestItem], 401, 422))
def requests(
    account: AccountDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Your requests, newest first."""
    page, now = list_requests(runtime, account.id, limit, cursor), runtime.clock.now()
    return {"items": [request_json(view, now) for view in page.items], "next_cursor": page.next_cursor}


@router.post(
    "/privacy/requests",
    status_code=201,
    response_model=None,
    responses=answers(201, PrivacyRequestItem, 400, 401, 403, 409, 413, 422, 429),
)
def use_right(session: SessionDep, runtime: RuntimeDep, body: PrivacyRequestBody, once: OnceDep) -> dict[str, Any]:
    """Use a right. Where you entered your password in the last 10 minutes, that shows who asks, and it goes on at once.

    Otherwise it is `awaiting_identity` until you follow the link that is mailed to your address. A deletion begins 72
    hours later, unless it is told to begin at once; correction of your own fields, restriction and objection to
    analytics and news count at once.
    """
    details = Details(body.text, body.name, body.language, body.email, body.ground, body.at_once)
    view = ask(runtime, session, body.right, details, channel="api", once=once)
    return request_json(view, runtime.clock.now())


@router.get(
    "/privacy/requests/{request_id}", response_model=None, responses=answers(200, PrivacyRequestAnswer, 401, 404, 422)
)
def request(request_id: IdPath, account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """A request with its time line."""
    return file_json(get_request(runtime, account.id, request_id), runtime.clock.now())


@router.post(
    "/privacy/requests/{request_id}/withdraw",
    response_model=None,
    responses=answers(200, PrivacyRequestItem, 401, 404, 409, 422),
)
def take_back(request_id: IdPath, session: SessionDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Take a request back that was not begun: 409 for one that was."""
    return request_json(withdraw(runtime, session, request_id), runtime.clock.now())


@router.post(
    "/privacy/requests/{request_id}/begin",
    response_model=None,
    responses=answers(200, PrivacyRequestItem, 401, 403, 404, 409, 422),
)
def begin(request_id: IdPath, session: SessionDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Have a deletion begin that still waits, within 10 minutes after your password. Then it cannot be taken back."""
    return request_json(begin_now(runtime, session, request_id), runtime.clock.now())


@router.get(
    "/privacy/requests/{request_id}/answer",
    response_class=Response,
    responses=file_answer(PDF, 401, 404, 409, 422),
)
def answer(request_id: IdPath, account: AccountDep, runtime: RuntimeDep) -> Response:
    """The answer as a letter (PDF), in your language: 409 while there is none."""
    file = get_request(runtime, account.id, request_id)
    letter = answer_pdf(file, to=account.name or account.email, language=account.language)
    headers = {"Content-Disposition": 'attachment; filename="stepiq-answer.pdf"', "Cache-Control": "no-store"}
    return Response(letter, media_type="application/pdf", headers=headers)
