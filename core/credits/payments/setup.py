"""What an operator needs at Stripe, made by one command that may be repeated."""

from dataclasses import dataclass

from core.credits.payments.domain import Price, offers
from core.credits.payments.notices import BILLING
from core.credits.payments.queries import gateway_of
from core.platform.runtime import Runtime

WEBHOOK = "/api/billing/stripe/webhook"


@dataclass(frozen=True, slots=True)
class BillingSetup:
    """What there is at Stripe now. `webhook_secret`: of an endpoint made just now, the only time that it is told."""

    prices: tuple[Price, ...]
    made: tuple[str, ...]
    endpoint: str | None
    webhook_secret: str | None


def set_up_billing(runtime: Runtime) -> BillingSetup:
    """Make the prices that are missing, the Portal's configuration and, at a public address, the webhook's endpoint.

    A price that is there stays as it is, whatever it costs: an operator set it. Raises NotOnSale, PaymentFailed.
    """
    gateway, site = gateway_of(runtime), runtime.settings.public_url
    there = gateway.find_prices()
    made = [gateway.create_price(offer) for offer in offers() if offer.key not in there]
    gateway.set_up_portal(site + BILLING)
    endpoint = site + WEBHOOK if runtime.settings.is_https else None
    secret = gateway.create_endpoint(endpoint) if endpoint else None
    prices = (*there.values(), *made)
    return BillingSetup(prices, tuple(price.key for price in made), endpoint, secret)
