"""Those who were sent something of the person's: told to delete it, and asked whether they did (GDPR Art. 19).

A recipient that fails, or says it has the matter in hand and nothing more, keeps the request open.
"""

from datetime import timedelta
from typing import Protocol

from core.analytics.commands import forget_visitor
from core.platform.runtime import Runtime
from core.privacy.erasure.subject import subject_of
from core.privacy.steps import Done, Later, Work

ASK_AGAIN = timedelta(minutes=10)
UNTIL_CONFIGURED = timedelta(days=1)


class PersonsApi(Protocol):
    """A service of analytics that knows people by our opaque ids."""

    def delete_person(self, account_id: str) -> None:
        """Ask for the deletion of a person with all events; nothing where there is none."""

    def is_deleted(self, account_id: str) -> bool:
        """Whether it is done, and not only asked for."""


def persons_api(_runtime: Runtime) -> PersonsApi | None:
    """The service, where events are sent with ids of people. They are not: events here are about nobody."""
    return None


def end_payments(runtime: Runtime, work: Work) -> Done | Later:
    """End the person's subscriptions at Stripe at once, delete them as a customer, and see that it is so."""
    customer_id = subject_of(runtime, work.request_id).customer_id
    if customer_id is None:
        return Done()
    gateway = runtime.payments
    if gateway is None:
        return Later("STRIPE_NOT_CONFIGURED", UNTIL_CONFIGURED)
    ended = 0
    if gateway.has_customer(customer_id):
        for subscription_id in gateway.list_subscriptions(customer_id):
            gateway.cancel_subscription(subscription_id)
            ended += 1
        gateway.delete_customer(customer_id)
        if gateway.has_customer(customer_id):
            return Later("STRIPE_HAS_IT_IN_HAND", ASK_AGAIN)
    return Done({"stripe_customers": 1, "stripe_subscriptions": ended})


def end_analytics(runtime: Runtime, work: Work) -> Done | Later:
    """What was counted of the person, while it can be told; and analytics of others, where they know people."""
    events = forget_visitor(runtime, work.account_id)
    api = persons_api(runtime)
    if api is None:
        return Done({"analytics_events": events})
    if not api.is_deleted(work.account_id):
        api.delete_person(work.account_id)
        if not api.is_deleted(work.account_id):
            return Later("ANALYTICS_HAS_IT_IN_HAND", ASK_AGAIN)
    return Done({"analytics_events": events, "analytics_persons": 1})
