"""`auth/*` and `user/*`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from core.accounts.authentication import sign_in
from core.accounts.domain import Account
from core.accounts.sessions import sign_out
from core.credits.commands import grant_month
from core.credits.queries import balance
from core.execution.usage import run_usage
from core.shared.clock import iso_z
from core.shared.money import credits_number
from web.api.context import AccountDep, RuntimeDep, SessionDep, TokenDep
from web.api.payloads import Credentials, SignedInUser, UsageAnswer, User, answers, problems
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
        "created_at": iso_z(account.created_at),
    }


@router.post("/auth/login", response_model=None, responses=answers(200, SignedInUser, 401, 422, 429))
def login(request: Request, body: Credentials, runtime: RuntimeDep) -> dict[str, Any]:
    """Open a session; its token goes into `Authorization: Bearer` and dies with `auth/logout`."""
    device = request.headers.get("user-agent", "")
    host = client_host(request)
    signed_in = sign_in(runtime, email=body.email, password=body.password, device=device, client_host=host)
    return {"user": user_json(signed_in.account), "token": signed_in.token}


@router.post("/auth/logout", status_code=204, response_class=Response, responses=problems(401))
def logout(session: SessionDep, token: TokenDep, runtime: RuntimeDep) -> Response:
    """End the session of the token."""
    sign_out(runtime, token)
    return Response(status_code=204)


@router.get("/user/me", response_model=None, responses=answers(200, User, 401))
def me(account: AccountDep) -> dict[str, Any]:
    """Who the token belongs to."""
    return user_json(account)


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
