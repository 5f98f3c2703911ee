"""Forms of pages, sent as a browser sends them."""

from __future__ import annotations

import re
from typing import Any

from starlette.testclient import TestClient


def send(client: TestClient, path: str, page: str, **fields: str) -> Any:
    """Send a form as the page it is on has it: with its hidden fields, and what is typed."""
    first = page.split("</form>")[0]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', first))
    return client.post(path, data={**hidden, **fields})
