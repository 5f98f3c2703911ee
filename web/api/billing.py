"""`billing/*`: the addresses of Stripe's pages, the messages that Stripe sends, and discount codes.

Nothing here takes a card number: people type theirs on Stripe's own pages.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from starlette.requests import Request

from core.credits.payments.checkouts import Order, open_checkout, open_portal
from core.credits.payments.discounts import check_billing_role, end_code, make_code
from core.credits.payments.events import receive_event
from core.credits.payments.queries import CodeView, list_codes
from core.shared.clock import iso_z
from web.api.billing_payloads import CheckoutRequest, CodeItem, CodeRequest, EventAnswer, PageAnswer
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, OnceDep, RuntimeDep, SessionDep
from web.api.shapes import Listing, answers, problems
from web.api.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["billing"])
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"id": "evt_1", "object": "event"}}},
    }
}
SignatureHeader = Annotated[
    str, Header(alias="Stripe-Signature", max_length=2000, description="Stripe's signature over the raw body.")
]


@router.post(
    "/billing/checkout", response_model=None, responses=answers(200, PageAnswer, 400, 401, 404, 409, 413, 422, 502)
)
def checkout(body: CheckoutRequest, account: AccountDep, runtime: RuntimeDep, once: OnceDep) -> dict[str, Any]:
    """The address of Stripe's page where a plan or credits are paid.

    Who has a subscription is sent to the page that shows what its change costs, and confirms it there.
    """
    order = Order(body.plan, body.interval, body.credits or 0, body.discount_code)
    return {"url": open_checkout(runtime, account, order, once=once)}


@router.post("/billing/portal", response_model=None, responses=answers(200, PageAnswer, 401, 404, 409, 502))
def portal(account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """The address of Stripe's page for how you pay, your invoices, and the end of your subscription."""
    return {"url": open_portal(runtime, account)}


async def raw_body(request: Request) -> bytes:
    """The body as it came: the signature is over these bytes."""
    return await request.body()


@router.post(
    "/billing/stripe/webhook",
    response_model=None,
    responses=answers(200, EventAnswer, 400, 409, 413, 422),
    openapi_extra=BODY,
)
def stripe_webhook(
    runtime: RuntimeDep, body: Annotated[bytes, Depends(raw_body)], signature: SignatureHeader = ""
) -> dict[str, Any]:
    """For Stripe: a message is believed by its signature alone. What it is about is asked of Stripe anew."""
    return {"received": True, "state": receive_event(runtime, body, signature)}


@router.get("/billing/discount-codes", response_model=None, responses=answers(200, Listing[CodeItem], 401, 403, 422))
def discount_codes(
    session: SessionDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Every discount code, newest first; for admins and accounting."""
    check_billing_role(session)
    codes = list_codes(runtime, limit, cursor)
    return {"items": [_code_json(code) for code in codes.items], "next_cursor": codes.next_cursor}


@router.post(
    "/billing/discount-codes",
    status_code=201,
    response_model=None,
    responses=answers(201, CodeItem, 400, 401, 403, 409, 413, 422),
)
def create_discount_code(body: CodeRequest, session: SessionDep, runtime: RuntimeDep, once: OnceDep) -> dict[str, Any]:
    """Make a discount code; for admins and accounting. Addresses are kept as hashes and never shown again."""
    made = make_code(
        runtime,
        session,
        code=body.code,
        percent=body.percent,
        cycles=body.cycles,
        plan=body.plan,
        max_redemptions=body.max_redemptions,
        expires_at=body.expires_at,
        addresses=body.addresses,
        once=once,
    )
    return _code_json(made)


@router.delete(
    "/billing/discount-codes/{code_id}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
def end_discount_code(code_id: IdPath, session: SessionDep, runtime: RuntimeDep) -> Response:
    """Take a code back. It counts for no new Checkout; subscriptions that have it keep it."""
    end_code(runtime, session, code_id)
    return Response(status_code=204)


def _code_json(code: CodeView) -> dict[str, Any]:
    return {
        "id": code.id,
        "code": code.code,
        "percent": code.percent,
        "cycles": code.cycles,
        "plan": code.plan,
        "max_redemptions": code.max_redemptions,
        "redemptions": code.used,
        "limited_to_addresses": code.is_limited,
        "expires_at": iso_z(code.expires_at) if code.expires_at else None,
        "created_at": iso_z(code.created_at),
        "ended_at": iso_z(code.ended_at) if code.ended_at else None,
    }
