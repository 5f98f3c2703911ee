"""Session tokens: JWT (RFC 7519, HS256) that name a session row and carry nothing else."""

from datetime import datetime

import jwt

from core.platform.runtime import Runtime

ALGORITHM = "HS256"


def issue_token(runtime: Runtime, session_id: str, *, now: datetime, expires_at: datetime) -> str:
    """A signed token for a session row."""
    claims = {"sid": session_id, "iat": now, "exp": expires_at, "aud": "stepiq"}
    return jwt.encode(claims, runtime.vault.derive("session-token"), algorithm=ALGORITHM)


def read_token(runtime: Runtime, token: str) -> str | None:
    """The session id a token names; None for any token that is not ours, or not now."""
    try:
        # Times are checked against the row, by the injected clock; here only form and signature.
        claims = jwt.decode(
            token,
            runtime.vault.derive("session-token"),
            algorithms=[ALGORITHM],
            audience="stepiq",
            options={"require": ["sid", "iat", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        return None
    now = runtime.clock.now().timestamp()
    if not (claims["iat"] <= now + 60 and now < claims["exp"]):
        return None
    return str(claims["sid"])
