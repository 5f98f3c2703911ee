"""What a model call tells the ledger of what leaves. The demo model runs inside this process: nothing does."""

from functools import partial
from urllib.parse import urlsplit

from core.execution.departures import Departure, Departures, look_at, short_host, size_of
from core.execution.kinds.port import StepContext
from core.execution.preparation import PreparedCall
from core.execution.screening import Screen
from core.providers.domain import DEMO_PROVIDER


def departures_of(context: StepContext, call: PreparedCall, screen: Screen | None) -> Departures | None:
    """What the attempt begins with. A key with an address of a person's own goes to that host, wherever it stands."""
    card, ids = call.card, context.runtime.ids
    if card.provider == DEMO_PROVIDER:
        return None
    address = context.own_key(card.provider).base_url if call.own_key else None
    host = urlsplit(address).hostname if address is not None else None
    first = Departure(
        ids.new(),
        "model",
        short_host(host or card.provider),
        "prompt",
        region=None if host else card.region[:60],
        funding=context.claim.funding.get(card.provider),
        size=size_of(call.request),
    )
    return Departures(ids, first, None if screen is None else partial(look_at, screen, first, call.request))
