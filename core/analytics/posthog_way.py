"""The only way out that PostHog's SDK has: one kind of request to one address, and what went is noted from its bytes.

The SDK can ask for more than it is asked to (flags, configuration), and its HTTP client follows redirects. Both end
here: another address, or another method, is refused before a connection is made.
"""

import json
from collections.abc import Callable
from typing import Any

from requests import ConnectionError, PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

PATH = "/batch/"


class Refused(HTTPAdapter):
    """Lets nothing out."""

    def send(self, request: PreparedRequest, *_args: Any, **_more: Any) -> Response:
        raise ConnectionError(f"PostHog is not to be asked at {request.path_url}")


class OneAddress(HTTPAdapter):
    """Lets batches of events out, and tells of each what it held and how it was answered."""

    def __init__(self, host: str, note: Callable[[dict[str, Any], int], None]) -> None:
        super().__init__()
        self._address, self._note = host + PATH, note

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        if request.method != "POST" or request.url != self._address:
            raise ConnectionError(f"PostHog is not to be asked at {request.path_url}")
        assert isinstance(request.body, str | bytes)
        body = json.loads(request.body)
        answer = super().send(request, *args, **more)
        self._note(body, answer.status_code)
        return answer


def narrow(session: Session, host: str, note: Callable[[dict[str, Any], int], None]) -> None:
    """Leave a session one address. Proxies and passwords that the environment names are not used either."""
    session.trust_env = False
    session.mount("http://", Refused())
    session.mount("https://", Refused())
    session.mount(host + "/", OneAddress(host, note))
