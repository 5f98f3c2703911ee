"""What leaves with an attempt of a step: told to the journal before it does, and how each went.

The first thing an attempt sends is journalled in the transaction that starts the attempt, so it costs no statement of
its own transaction and no call is made without its row. What an attempt sends after that (the repair of an answer, the
turns of an agent, its tools, each host of a redirect) is journalled by itself, and waited for. A process that is
killed in between leaves a row that says `begun`: the thing may have left. It never left without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from core.execution.screening import PersonalDataBlocked, Screen, Screened
from core.providers.domain import ModelPort, ModelReply, ModelRequest, OnDelta
from core.shared.errors import AppError
from core.shared.ids import Ids
from core.shared.personal_data import StreamRestorer
from core.shared.types import JsonValue

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


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the first thing an attempt sends comes to: what is kept of it, or why it is not sent."""

    departure: Departure
    content: dict[str, JsonValue] = field(default_factory=dict)
    refusal: AppError | None = None


@dataclass(slots=True)
class Departures:
    """What one attempt sends. `first` is what it begins with; `leave` journals another thing, and returns once it is.

    `look` looks for personal data in the first before it is journalled; None where nobody does. `first` counts as not
    sent until `sending` is told, whatever becomes of the attempt.
    """

    ids: Ids
    first: Departure
    look: Callable[[], Awaitable[Look]] | None = None
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
    """A model whose calls are looked at and journalled before they are made. `then`: what all but the first are for."""

    def __init__(self, port: ModelPort, departures: Departures, screen: Screen | None, *, then: str) -> None:
        self._port = port
        self._departures = departures
        self._screen = screen
        self._then = then
        self._called = False

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        """The call. Raises ProviderError, PersonalDataBlocked."""
        screen = self._screen
        if screen is None:
            return await self._complete(request, None, on_delta)
        screened = await screen.look(request)
        if on_delta is None or not screen.masks:
            return screen.restored(await self._complete(screened.request, screened, on_delta))
        restorer = StreamRestorer(screen.placeholders)

        def restored(text: str) -> None:
            on_delta(restorer.feed(text))

        reply = await self._complete(screened.request, screened, restored)
        on_delta(restorer.flush())
        return screen.restored(reply)

    async def _complete(self, request: ModelRequest, screened: Screened | None, on_delta: OnDelta | None) -> ModelReply:
        departure = await self._leave(request, screened)
        reply = await self._port.complete(request, on_delta)
        self._departures.answered(departure)
        return reply

    async def _leave(self, request: ModelRequest, screened: Screened | None) -> Departure:
        first = self._departures.first
        if not self._called:
            self._called = True
            self._departures.sending(first)
            return first
        return await self._departures.send_also(replace(looked(first, request, screened), purpose=self._then))


def looked(departure: Departure, request: ModelRequest, screened: Screened | None) -> Departure:
    """A departure with what was found in the request that leaves."""
    size = size_of(request)
    if screened is None:
        return replace(departure, size=size)
    return replace(departure, size=size, categories=screened.sent, masked=screened.kept_back)


async def look_at(screen: Screen, departure: Departure, request: ModelRequest) -> Look:
    """The look at the first call of a step."""
    try:
        screened = await screen.look(request)
    except PersonalDataBlocked as refusal:
        found: JsonValue = {"mode": screen.mode, "found": {**refusal.counts}}
        return Look(departure, {"personal_data": found}, refusal)
    content = {"prompt": screened.request.prompt, **screen.facts(screened)}
    return Look(looked(departure, screened.request, screened), content)


def size_of(request: ModelRequest) -> int:
    """The bytes of the texts and images of a model call."""
    return sum(len(text.encode()) for text in request.texts()) + sum(len(image.data) for image in request.images)


def short_host(host: str) -> str:
    """A host as it is kept."""
    return host[:LONGEST_RECIPIENT]
