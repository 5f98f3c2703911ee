"""Who may read what is measured."""

import hmac

from core.platform.runtime import Runtime


def may_read(runtime: Runtime, authorization: str) -> bool:
    """Whether a header `Authorization: Bearer …` names the token of the settings. Without one nobody may read."""
    token, (scheme, _, sent) = runtime.settings.metrics_token, authorization.partition(" ")
    same = hmac.compare_digest(sent.strip().encode("utf-8", "replace"), token.encode())
    return bool(token) and scheme.lower() == "bearer" and same
