"""`billing/*` over HTTP, with Stripe's stand-in behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.domain import Account
from core.credits.payments.models import CheckoutRow, DiscountAddressRow, EventRow
from core.credits.payments.queries import billing_of
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.payments.conftest import ADA, Shop
from web.api import examples
from web.middleware import build_middleware
from web.routes import build_routes

CHECKOUT, PORTAL, WEBHOOK, CODES = (
    f"/api/billing/{name}" for name in ("checkout", "portal", "stripe/webhook", "discount-codes")
)


@pytest.fixture
def ada(shop: Shop) -> Account:
    return shop.person()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[TestClient]:
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url="http://testserver", follow_redirects=False) as made:
        yield made


def signed_in(shop: Shop, email: str = ADA) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign_in(shop.runtime, email=email, password=PASSWORD).token}"}


def send(client: TestClient, body: bytes, signature: str, **headers: str) -> Any:
    return client.post(WEBHOOK, content=body, headers={"Stripe-Signature": signature, **headers})


def test_from_checkout_to_the_plan(client: TestClient, shop: Shop, ada: Account) -> None:
    mine = signed_in(shop)
    answer = client.post(CHECKOUT, json={"plan": "pro", "interval": "yearly"}, headers=mine)
    assert answer.status_code == 200 and answer.json().keys() == {"url"}
    shop.stub.pay(answer.json()["url"].rpartition("/")[2])
    for event in shop.stub.events:
        body, signature = shop.stub.signed(event)
        received = send(client, body, signature, **{"Content-Type": "application/json; charset=utf-8"})
        assert (received.status_code, received.json()) == (200, {"received": True, "state": "done"})
    assert client.get("/api/user/me", headers=mine).json()["plan"] == "pro"
    portal = client.post(PORTAL, headers=mine)
    assert portal.status_code == 200 and portal.json()["url"].startswith("https://billing.example.com")


def test_a_checkout_takes_an_idempotency_key(client: TestClient, shop: Shop, ada: Account) -> None:
    mine = {**signed_in(shop), "Idempotency-Key": "order-7"}
    first, again = (client.post(CHECKOUT, json={"plan": "pro"}, headers=mine) for _ in range(2))
    assert first.status_code == again.status_code == 200 and first.json() == again.json()
    assert len(shop.stub.all("checkout.session")) == 1
    other = client.post(CHECKOUT, json={"plan": "starter"}, headers=mine)
    assert other.status_code == 409 and other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    shop.stub.pay(first.json()["url"].rpartition("/")[2])
    over = client.post(CHECKOUT, json={"plan": "pro"}, headers=mine)
    assert over.status_code == 409 and over.json()["code"] == "CHECKOUT_OVER"


def test_a_checkout_whose_process_died_is_opened_by_its_repetition(
    client: TestClient, shop: Shop, ada: Account
) -> None:
    """The same session, for the same key was sent to Stripe."""
    mine = {**signed_in(shop), "Idempotency-Key": "order-7"}
    first = client.post(CHECKOUT, json={"plan": "pro"}, headers=mine)
    with shop.runtime.database.write() as session:
        session.scalars(select(CheckoutRow)).one().session_id = None
    again = client.post(CHECKOUT, json={"plan": "pro"}, headers=mine)
    assert again.json() == first.json() and len(shop.stub.all("checkout.session")) == 1
    assert billing_of(shop.runtime, ada).is_waiting


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "free"}, {"plan": "enterprise"}, {}, {"plan": "pro", "interval": "daily"}, {"credits": 1500},
        {"plan": "pro", "credits": 1000}, {"credits": "1000"}, {"credits": 1000, "discount_code": "X"},
        {"plan": "pro", "card": "4242"},
    ],
)  # fmt: skip
def test_what_is_not_sold_is_422(client: TestClient, shop: Shop, ada: Account, body: dict[str, Any]) -> None:
    answer = client.post(CHECKOUT, json=body, headers=signed_in(shop))
    assert answer.status_code == 422, answer.text
    assert "4242" not in answer.text and shop.stub.all("checkout.session") == []


def test_when_stripe_is_down_nothing_is_sold_and_the_next_try_works(
    client: TestClient, shop: Shop, ada: Account
) -> None:
    mine = signed_in(shop)
    shop.stub.is_down = True
    answer = client.post(CHECKOUT, json={"plan": "pro"}, headers=mine)
    assert answer.status_code == 502 and answer.json()["code"] == "PAYMENT_UNAVAILABLE"
    assert "Nothing was changed" in answer.json()["error"]
    shop.stub.is_down = False
    assert client.post(CHECKOUT, json={"plan": "pro"}, headers=mine).status_code == 200


def test_a_message_needs_no_session_and_a_forged_one_is_400(client: TestClient, shop: Shop, runtime: Runtime) -> None:
    event = {"id": "evt_x", "object": "event", "type": "a.b", "data": {"object": {}}}
    body, signature = shop.stub.signed(event)
    forged = (("", body), ("t=1,v1=00", body), (signature, body + b" "), (signature.replace("v1", "v0"), body))
    for wrong, sent in forged:
        answer = send(client, sent, wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_SIGNATURE")
    assert client.post(WEBHOOK, content=body).status_code == 400
    with runtime.database.read() as session:
        assert session.scalars(select(EventRow)).all() == []
    origin = {"Origin": "https://stripe.com", "Sec-Fetch-Site": "cross-site"}
    assert send(client, body, signature, **origin).json() == {"received": True, "state": "noted"}


def test_a_large_message_is_refused_before_it_is_read(client: TestClient, shop: Shop) -> None:
    body = json.dumps({"id": "evt_x", "type": "a.b", "data": {"object": {"x": "y" * 300_000}}}).encode()
    assert send(client, body, "t=1,v1=00").status_code == 413


def test_without_stripe_the_answers_say_who_sets_plans(runtime_with: Any) -> None:
    runtime = runtime_with()
    shop = Shop(runtime, None, None)  # type: ignore[arg-type]
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    shop.person()
    with TestClient(app, base_url="http://testserver") as client:
        for path, body in ((CHECKOUT, {"plan": "pro"}), (PORTAL, {})):
            answer = client.post(path, json=body, headers=signed_in(shop))
            assert (answer.status_code, answer.json()["code"]) == (409, "PAYMENT_NOT_CONFIGURED")
            assert "an admin sets the plans" in answer.json()["error"]
        assert client.post(WEBHOOK, content=b"{}").status_code == 409


def test_without_the_secret_of_the_webhook_nothing_is_sold(client: TestClient, shop: Shop, ada: Account) -> None:
    assert shop.runtime.payments is not None
    shop.runtime.payments._webhook_secret = ""  # type: ignore[attr-defined]
    answer = client.post(CHECKOUT, json={"plan": "pro"}, headers=signed_in(shop))
    assert (answer.status_code, answer.json()["code"]) == (409, "PAYMENT_NOT_READY")
    assert shop.stub.all("checkout.session") == []


def test_discount_codes_of_admins_and_accounting(client: TestClient, shop: Shop, ada: Account) -> None:
    shop.person("root@example.org", ("admin",))
    shop.person("books@example.org", ("accounting",))
    body = {"code": "half 2027", "percent": 50, "cycles": None, "max_redemptions": 3, "addresses": [ADA]}
    assert client.post(CODES, json=body, headers=signed_in(shop)).status_code == 403
    root, books = signed_in(shop, "root@example.org"), signed_in(shop, "books@example.org")
    body["code"] = "half-2027"
    made = client.post(CODES, json=body, headers={**root, "Idempotency-Key": "k"})
    again = client.post(CODES, json=body, headers={**root, "Idempotency-Key": "k"})
    assert made.status_code == again.status_code == 201 and made.json() == again.json()
    assert made.json()["code"] == "HALF-2027" and made.json()["limited_to_addresses"] is True
    assert client.post(CODES, json={**body, "percent": 60}, headers={**root, "Idempotency-Key": "k"}).status_code == 409
    assert client.post(CODES, json=body, headers=books).json()["code"] == "CODE_TAKEN"
    assert client.post(CODES, json={**body, "code": "OTHER"}, headers=books).status_code == 201
    listed = client.get(CODES, headers=books).json()["items"]
    assert [each["code"] for each in listed] == ["OTHER", "HALF-2027"] and ADA not in str(listed)
    first = client.get(f"{CODES}?limit=1", headers=books).json()
    rest = client.get(f"{CODES}?limit=1&cursor={first['next_cursor']}", headers=books).json()
    assert (first["items"] + rest["items"], rest["next_cursor"]) == (listed, None)
    with shop.runtime.database.read() as session:
        kept = session.scalars(select(DiscountAddressRow.email_index)).all()
    assert len(kept) == 2 and all(ADA.encode() not in index for index in kept)
    assert client.delete(f"{CODES}/{listed[0]['id']}", headers=books).status_code == 204
    assert client.delete(f"{CODES}/{listed[0]['id']}", headers=books).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "X"}, {"code": "a b!"}, {"percent": 0}, {"percent": 101}, {"cycles": 0}, {"cycles": 37},
        {"percent": 100, "cycles": None}, {"max_redemptions": 0}, {"expires_at": "2020-01-01T00:00:00Z"},
        {"addresses": ["nobody"]}, {"plan": "enterprise"},
    ],
)  # fmt: skip
def test_a_wrong_code_is_422(client: TestClient, shop: Shop, wrong: dict[str, Any]) -> None:
    shop.person("root@example.org", ("admin",))
    answer = client.post(
        CODES, json={"code": "GOOD", "percent": 10, **wrong}, headers=signed_in(shop, "root@example.org")
    )
    assert answer.status_code == 422, answer.text
    assert client.get(CODES, headers=signed_in(shop, "root@example.org")).json()["items"] == []


def test_the_examples_do_their_work(client: TestClient, shop: Shop, ada: Account) -> None:
    shop.person("root@example.org", ("admin",))
    root, mine = signed_in(shop, "root@example.org"), signed_in(shop)
    for body in examples.BODIES["CodeRequest"].values():
        assert client.post(CODES, json=body, headers=root).status_code == 201
    for body in examples.BODIES["CheckoutRequest"].values():
        answer = client.post(CHECKOUT, json=body, headers=mine)
        assert answer.status_code == 200, (body, answer.text)
