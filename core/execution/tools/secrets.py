"""Secrets in the requests of an agent: the model writes `{{env.NAME}}`, and never sees a value.

A value is filled in at the moment of the request, and only when the step's own prompt names the secret and the step
has a `network_allowlist`, outside of which the request is then refused. So a page that talks the model into
sending a secret elsewhere gets nothing. Anything else is told to the model as an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

PLACEHOLDER = re.compile(r"\{\{\s*env\.([A-Za-z_][A-Za-z0-9_-]{0,99})\s*\}\}")
FORM = "application/x-www-form-urlencoded"


class NotFillable(Exception):
    """A secret that may not be used here, in words for the model."""


def placeholder(name: str) -> str:
    """What stands for a secret in what the model reads and writes."""
    return f"{{{{env.{name}}}}}"


@dataclass(frozen=True, slots=True)
class Fillable:
    """The secrets a step's prompt names. `has_hosts`: the step says which hosts it may reach."""

    values: Mapping[str, str] = field(repr=False)
    has_hosts: bool

    def fill(self, text: str, encode: Callable[[str], str] = str) -> str:
        """The text with its secrets filled in. Raises NotFillable."""
        return PLACEHOLDER.sub(lambda found: encode(self._value(found[1])), text)

    def fill_url(self, url: str) -> str:
        """An address: what it begins with is filled in as it is, the rest percent-encoded."""
        start = PLACEHOLDER.match(url)
        head = start.end() if start else 0
        return self.fill(url[:head]) + self.fill(url[head:], _percent)

    def fill_body(self, body: str, content_type: str) -> str:
        """A body: inside the texts of JSON, percent-encoded in a form, else as it is."""
        if not PLACEHOLDER.search(body):
            return body
        if content_type.lower().startswith(FORM):
            return self.fill(body, _percent)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return self.fill(body)
        return json.dumps(self._filled(value), ensure_ascii=False)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(name): self._filled(item) for name, item in value.items()}
        return value

    def _value(self, name: str) -> str:
        if name not in self.values:
            raise NotFillable(f"{placeholder(name)} cannot be used: the prompt of this step does not name it.")
        if not self.has_hosts:
            raise NotFillable(f"{placeholder(name)} cannot be used: this step has no network_allowlist.")
        return self.values[name]


def _percent(value: str) -> str:
    return quote(value, safe="")
