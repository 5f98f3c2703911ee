"""Session tokens: JWT (RFC 7519, HS256) that name a session row and carry nothing else; and sign-in challenges."""

from datetime import datetime

import jwt

from core.platform.runtime import Runtime

ALGORITHM = "HS256"
CHALLENGE_SECONDS = 5 * 60


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
    issued, ends = claims["iat"], claims["exp"]
    if not (isinstance(issued, int) and isinstance(ends, int) and issued <= now + 60 and now < ends):
        return None
    return str(claims["sid"])


def issue_challenge(runtime: Runtime, account_id: str, password_hash: str) -> str:
    """Proof that a password was right, for the second half of a sign-in; a new password ends it."""
    now = int(runtime.clock.now().timestamp())
    claims = {"sub": account_id, "exp": now + CHALLENGE_SECONDS, "aud": "stepiq-second-factor"}
    return jwt.encode(claims, _challenge_key(runtime, password_hash), algorithm=ALGORITHM)


def read_challenge(runtime: Runtime, challenge: str, account_id: str, password_hash: str) -> bool:
    """Whether a challenge is ours, of this account, for its present password, and not over."""
    try:
        claims = jwt.decode(
            challenge,
            _challenge_key(runtime, password_hash),
            algorithms=[ALGORITHM],
            audience="stepiq-second-factor",
            options={"require": ["sub", "exp"], "verify_exp": False},
        )
    except jwt.PyJWTError:
        return False
    named, ends = str(claims["sub"]), float(claims["exp"])
    return named == account_id and runtime.clock.now().timestamp() < ends


def _challenge_key(runtime: Runtime, password_hash: str) -> bytes:
    return runtime.vault.derive("second-factor-challenge:" + password_hash)
