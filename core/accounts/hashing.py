"""Passwords as bcrypt hashes (Provos and Mazières, USENIX 1999): making, checking, making anew."""

import secrets

import bcrypt

from core.accounts.domain import PASSWORD_MAX_BYTES
from core.platform.runtime import Runtime

_decoys: dict[int, str] = {}


def hash_password(runtime: Runtime, password: str) -> str:
    """The hash that is kept, at the cost the settings name."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(runtime.settings.bcrypt_cost)).decode()


def password_matches(runtime: Runtime, password: str, hashed: str | None) -> bool:
    """Whether a password is the hashed one. Without a hash the answer is no, after the same work."""
    encoded = password.encode(errors="replace")
    known = (hashed or _decoy(runtime)).encode()
    matches = bcrypt.checkpw(encoded[:PASSWORD_MAX_BYTES].replace(b"\0", b" "), known)
    return matches and hashed is not None and len(encoded) <= PASSWORD_MAX_BYTES and b"\0" not in encoded


def is_weaker(runtime: Runtime, hashed: str) -> bool:
    """Whether a hash was made at a lower cost than the settings name now."""
    return int(hashed.split("$")[2]) < runtime.settings.bcrypt_cost


def _decoy(runtime: Runtime) -> str:
    cost = runtime.settings.bcrypt_cost
    if cost not in _decoys:
        _decoys[cost] = hash_password(runtime, secrets.token_hex(16))
    return _decoys[cost]
