"""A corrected address is told to Stripe (GDPR Art. 19), however long Stripe is away."""

from datetime import timedelta

from core.accounts.addresses import confirm_address
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.domain import Details
from core.privacy.queries import get_request
from tests.integration.payments.conftest import Shop
from tests.support.letters import last_letter, token_in

NEW = "lovelace@example.org"


def test_stripe_is_told_the_corrected_address_and_language(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    shop.subscribe(ada)
    asked = ask(runtime, shop.session(), "rectification", Details(email=NEW, language="fr"))
    assert asked.status == "executing"
    confirm_address(runtime, token_in(last_letter(runtime, NEW), "/auth/address/confirm"))
    shop.clock.advance(minutes=6)
    advance_request(runtime, asked.id)
    (customer,) = shop.stub.all("customer")
    assert (customer["email"], customer["preferred_locales"]) == (NEW, {"0": "fr"})
    found = get_request(runtime, ada.id, asked.id)
    assert found.request.outcome == "fulfilled" and dict(found.steps[1].counts) == {"recipients": 1}


def test_while_stripe_is_away_the_request_stays_open(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    shop.subscribe(ada)
    (customer,) = shop.stub.all("customer")
    shop.stub.is_down = True
    asked = ask(runtime, shop.session(), "rectification", Details(language="fr"))
    assert asked.status == "propagating" and customer.get("preferred_locales") != {"0": "fr"}
    step = get_request(runtime, ada.id, asked.id).steps[1]
    assert not step.is_done and step.error_code
    shop.stub.is_down = False
    shop.clock.advance(seconds=timedelta(hours=1).total_seconds())
    assert advance_request(runtime, asked.id)
    assert get_request(runtime, ada.id, asked.id).request.outcome == "fulfilled"
