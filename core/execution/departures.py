"""What leaves with an attempt of a step: told to the journal before it does, and how each went.

The first thing an attempt sends is journalled in the transaction that starts the attempt, so it costs no statement of
its own transaction and no call is made without its row. What an attempt sends after that (the repair of an answer, the
turns of an agent, its tools, each host of a redirect) is journalled by itself, and waited for. A process that is
killed in between leaves a row that says `begun`: the thing may have left. It never left without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from core.providers.domain import ModelPort, ModelReply, ModelRequest, OnDelta
from core.shared.ids import Ids

BEGUN, ANSWERED, FAILED, NOT_SENT = "begun", "answered", "failed", "not_sent"
FILE_STORE = "file store"
"""The recipient of results that are kept as a file of the person's own."""
LONGEST_RECIPIENT = 255


@dataclass(frozen=True, slots=True)
class Departure:
    """Something about to leave. `recipient`: a provider's name or a host, never a path, a query or an address.

    `kind`: model, webhook, tool or delivery. `purpose`: prompt, repair, turn, step, result, notice, or a tool's name.
    `categories` are keys of the fideslang taxonomy found in what is sent, None where nobody looked; `masked` those
    that were kept back. `size` in bytes.
    """

    id: str
    kind: str
    recipient: str
    purpose: str
    region: str | None = None
    funding: str | None = None
    categories: tuple[str, ...] | None = None
    masked: tuple[str, ...] = ()
    size: int = 0


Ended = tuple[tuple[str, str], ...]
"""How departures went: the id of each, and its outcome."""


@dataclass(slots=True)
class Departures:
    """What one attempt sends. `first` is what it begins with; `leave` journals another thing, and returns once it is.

    `first` counts as not sent until `sending` is told, whatever becomes of the attempt.
    """

    ids: Ids
    first: Departure
    leave: Callable[[Departure], Awaitable[object]] | None = None
    _outcomes: dict[str, str] = field(default_factory=dict)

    def sending(self, departure: Departure) -> None:
        """It leaves now: without an answer it will have failed."""
        self._outcomes[departure.id] = FAILED

    def answered(self, departure: Departure) -> None:
        """It was answered."""
        self._outcomes[departure.id] = ANSWERED

    async def send_also(self, departure: Departure) -> Departure:
        """Journal one more thing and let it leave; returns it under an id of its own."""
        assert self.leave is not None
        made = replace(departure, id=self.ids.new())
        await self.leave(made)
        self.sending(made)
        return made

    def ended(self) -> Ended:
        """How each went, for the transaction that ends the attempt."""
        return tuple({self.first.id: NOT_SENT, **self._outcomes}.items())


class LedgerPort:
    """A model whose calls are journalled before they are made. `then`: what every call but the first is for."""

    def __init__(self, port: ModelPort, departures: Departures, *, then: str) -> None:
        self._port = port
        self._departures = departures
        self._then = then
        self._called = False

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        """The call. Raises ProviderError."""
        departure = await self._leave(request)
        reply = await self._port.complete(request, on_delta)
        self._departures.answered(departure)
        return reply

    async def _leave(self, request: ModelRequest) -> Departure:
        first = self._departures.first
        if not self._called:
            self._called = True
            self._departures.sending(first)
            return first
        return await self._departures.send_also(replace(first, purpose=self._then, size=size_of(request)))


def size_of(request: ModelRequest) -> int:
    """The bytes of the texts and images of a model call."""
    return sum(len(text.encode()) for text in request.texts()) + sum(len(image.data) for image in request.images)


def short_host(host: str) -> str:
    """A host as it is kept."""
    return host[:LONGEST_RECIPIENT]
