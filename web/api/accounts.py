"""`user/*`: the person whose token it is, their sign-ins, what they used."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from core.accounts.domain import Account
from core.accounts.passwords import change_password
from core.accounts.profile import update_profile
from core.accounts.queries import list_sessions
from core.accounts.sessions import end_session
from core.credits.commands import grant_month
from core.credits.queries import balance, list_ledger
from core.execution.usage import run_usage
from core.shared.clock import iso_z
from core.shared.money import credits_number
from web.api.account_payloads import LedgerItem, PasswordChange, ProfileChange, SignInItem, UsageAnswer, User
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, RuntimeDep, SessionDep
from web.api.shapes import Listing, answers, problems
from web.api.strict_json import StrictJsonRoute
from web.sessions import client_host

router = APIRouter(route_class=StrictJsonRoute, tags=["account"])


def user_json(account: Account) -> dict[str, Any]:
    """A person as clients see one."""
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "plan": account.plan,
        "roles": sorted(account.roles),
        "language": account.language,
        "funding": account.funding,
        "personal_data": account.personal_data,
        "confirm_above_credits": credits_number(account.confirm_above_micros),
        "second_factor": account.has_second_factor,
        "created_at": iso_z(account.created_at),
    }


@router.get("/user/me", response_model=None, responses=answers(200, User, 401))
def me(account: AccountDep) -> dict[str, Any]:
    """Who the token belongs to."""
    return user_json(account)


@router.patch("/user/me", response_model=None, responses=answers(200, User, 400, 401, 413, 422))
def change_me(body: ProfileChange, account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Change your name, the language of mails, the cost above which a run asks first, whose model keys runs use, or
    what becomes of personal data in what models are sent.

    What is not given stays as it is.
    """
    changed = update_profile(
        runtime,
        account.id,
        name=body.name,
        language=body.language,
        confirm_above_credits=body.confirm_above_credits,
        funding=body.funding,
        personal_data=body.personal_data,
    )
    return user_json(changed)


@router.post(
    "/user/password", status_code=204, response_class=Response, responses=problems(400, 401, 403, 413, 422, 429)
)
def new_password(request: Request, body: PasswordChange, session: SessionDep, runtime: RuntimeDep) -> Response:
    """Change your password. Your other sign-ins end, this one stays."""
    change_password(
        runtime, session, current=body.current_password, password=body.password, client_host=client_host(request)
    )
    return Response(status_code=204)


@router.get("/user/sessions", response_model=None, responses=answers(200, Listing[SignInItem], 401, 422))
def sessions(
    session: SessionDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Where you are signed in: this one first, then the one used last."""
    views = list_sessions(runtime, session.account.id, session.id)
    begin = next((place for place, view in enumerate(views, 1) if view.id == cursor), 0)
    shown = views[begin : begin + limit]
    items = [
        {
            "id": view.id,
            "device": view.device,
            "created_at": iso_z(view.created_at),
            "last_used_at": iso_z(view.last_used_at),
            "expires_at": iso_z(view.expires_at),
            "current": view.is_current,
        }
        for view in shown
    ]
    return {"items": items, "next_cursor": shown[-1].id if len(views) > begin + limit else None}


@router.delete(
    "/user/sessions/{session_id}", status_code=204, response_class=Response, responses=problems(401, 404, 422)
)
def end(session_id: IdPath, account: AccountDep, runtime: RuntimeDep) -> Response:
    """End one of your sign-ins."""
    end_session(runtime, account.id, session_id)
    return Response(status_code=204)


@router.get("/user/usage", response_model=None, responses=answers(200, UsageAnswer, 401))
def usage(account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Credits used and left, runs since midnight UTC, and what all runs cost (US cents after the markup)."""
    grant_month(runtime, account)
    credits, used = balance(runtime, account), run_usage(runtime, account.id)
    return {
        "credits_used": credits_number(credits.spent_micros),
        "credits_remaining": None if credits.unlimited else credits_number(credits.available_micros),
        "runs_today": used.runs_today,
        "total_cost_cents": credits_number(used.cost_micro_cents),
    }


@router.get("/user/ledger", response_model=None, responses=answers(200, Listing[LedgerItem], 401, 422))
def ledger(
    account: AccountDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Every movement of your credits, newest first. The amounts of a movement sum to zero."""
    page = list_ledger(runtime, account.id, limit, cursor)
    items = [
        {
            "id": movement.id,
            "kind": movement.kind,
            "cause": movement.cause,
            "price_version": movement.price_version,
            "amounts": {name: credits_number(micros) for name, micros in movement.amounts.items()},
            "created_at": iso_z(movement.created_at),
        }
        for movement in page.items
    ]
    return {"items": items, "next_cursor": page.next_cursor}
