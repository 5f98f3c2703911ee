"""A stand-in for Stripe on loopback, which the real SDK talks to: what of its API this project uses, with its memory.

Customers, prices, coupons, Checkout and Portal sessions, subscriptions with schedules, invoices with their payments,
refunds, webhook endpoints; idempotency keys as Stripe keeps them; 404 with `resource_missing`; signed events. What
people do on Stripe's own pages, and what time does there, tests do with the methods of `StripeStub` (`pay`, `renew`,
`fail_renewal`, ...), each of which writes the events that Stripe would send. `stripe_server` puts it on a port.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

Thing = dict[str, Any]
API_VERSION = "2026-10-28.endive"
PORTAL_PAGE = "https://billing.example.com/session/"


class StripeStub:
    """The memory of one account at Stripe."""

    def __init__(
        self, *, secret: str = "whsec_test", key: str = "sk_test_key", now: Callable[[], datetime] | None = None
    ) -> None:
        self.secret, self.key = secret, key
        self.now = now or (lambda: datetime.now(UTC))
        self.things: dict[str, dict[str, Thing]] = {}
        self.events: list[Thing] = []
        self.calls: list[tuple[str, str, Thing, str | None]] = []
        self.is_down = False
        self.before_answer: Callable[[str, str], None] | None = None
        self.checkout_page = "https://checkout.example.com/c/"
        self.on_event: Callable[[Thing], None] | None = None
        self._answers: dict[str, tuple[Thing, int, Thing]] = {}
        self._count = 0
        self._lock = threading.RLock()
        self.app = Starlette(
            routes=[
                Route("/v1/{path:path}", self._serve, methods=["GET", "POST", "DELETE"]),
                Route("/pay/{session}", self._pay_page, methods=["GET", "POST"]),
            ]
        )

    # What tests look at and do

    def all(self, kind: str) -> list[Thing]:
        """Everything of a kind, oldest first."""
        return list(self.things.get(kind, {}).values())

    def only(self, kind: str) -> Thing:
        """The one thing there is of a kind."""
        (found,) = self.all(kind)
        return found

    def signed(self, event: Thing, *, secret: str | None = None, at: datetime | None = None) -> tuple[bytes, str]:
        """An event as it is sent: body and `Stripe-Signature`."""
        body = json.dumps(event, indent=2).encode()
        seconds = int((at or self.now()).timestamp())
        mac = hmac.new((secret or self.secret).encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
        return body, f"t={seconds},v1={mac},v0=ignored"

    def pay(self, session_id: str, *, later: bool = False) -> Thing:
        """A person pays on the page of Checkout; `later`: the money is on its way for some days."""
        with self._lock:
            session = self.things["checkout.session"][session_id]
            if session["status"] != "open":
                raise AssertionError(f"this Checkout is {session['status']}")
            session["status"], session["url"] = "complete", None
            session["payment_status"] = "unpaid" if later else "paid"
            if session["mode"] == "subscription":
                line = session["_lines"][0]
                subscription = self._subscribe(session, line, session.get("_subscription_data") or {})
                session["subscription"] = subscription["id"]
                session["payment_status"] = "paid" if session["amount_total"] else "no_payment_required"
            elif not later:
                session["payment_intent"] = self._payment(session["amount_total"], session["customer"])["id"]
            self._emit("checkout.session.completed", session)
            return session

    def arrive(self, session_id: str) -> None:
        """Money that was on its way arrives."""
        with self._lock:
            session = self.things["checkout.session"][session_id]
            session["payment_status"] = "paid"
            session["payment_intent"] = self._payment(session["amount_total"], session["customer"])["id"]
            self._emit("checkout.session.async_payment_succeeded", session)

    def renew(self, subscription_id: str, *, paid: bool = True) -> None:
        """A period ends and the next begins, with its invoice; a change that waited is made."""
        with self._lock:
            subscription = self.things["subscription"][subscription_id]
            item = subscription["items"]["data"][0]
            schedule = self.things.get("subscription_schedule", {}).get(subscription["schedule"] or "")
            if schedule:
                item["price"] = schedule["phases"][-1]["items"][0]["price"]
                subscription["schedule"] = None
            item["current_period_start"] = item["current_period_end"]
            item["current_period_end"] = _next(item["current_period_start"], item["price"])
            subscription["status"] = "active" if paid else "past_due"
            self._invoice(subscription, item["price"]["unit_amount"], paid=paid)
            self._emit("customer.subscription.updated", subscription)

    def pay_overdue(self, subscription_id: str) -> None:
        """The invoice that was open is paid."""
        with self._lock:
            subscription = self.things["subscription"][subscription_id]
            invoice = self.things["invoice"][subscription["latest_invoice"]]
            invoice["status"], invoice["amount_paid"] = "paid", invoice["total"]
            self._add_payment(invoice)
            subscription["status"] = "active"
            self._emit("invoice.paid", invoice)
            self._emit("customer.subscription.updated", subscription)

    def change(self, subscription_id: str, key: str, *, at_period_end: bool = False) -> None:
        """A person changes the plan in the Portal."""
        with self._lock:
            subscription = self.things["subscription"][subscription_id]
            item, price = subscription["items"]["data"][0], self.price(key)
            if at_period_end:
                phases = [
                    {"start_date": item["current_period_start"], "items": [{"price": item["price"]}]},
                    {"start_date": item["current_period_end"], "items": [{"price": price}]},
                ]
                schedule = self._new("subscription_schedule", "sub_sched", {"phases": phases})
                subscription["schedule"] = schedule["id"]
            else:
                more = max(0, price["unit_amount"] - item["price"]["unit_amount"])
                item["price"] = price
                self._invoice(subscription, more, paid=True)
            self._emit("customer.subscription.updated", subscription)

    def cancel_at_end(self, subscription_id: str, *, on: bool = True) -> None:
        """A person cancels in the Portal to the end of the period, or takes that back."""
        with self._lock:
            subscription = self.things["subscription"][subscription_id]
            subscription["cancel_at_period_end"] = on
            self._emit("customer.subscription.updated", subscription)

    def end(self, subscription_id: str) -> None:
        """A subscription ends."""
        with self._lock:
            subscription = self.things["subscription"][subscription_id]
            if subscription["ended_at"] is None:
                subscription |= {"status": "canceled", "ended_at": self._seconds(), "canceled_at": self._seconds()}
                self._emit("customer.subscription.deleted", subscription)

    def expire(self, session_id: str) -> None:
        """A Checkout is left until it closes."""
        with self._lock:
            session = self.things["checkout.session"][session_id]
            session["status"], session["url"] = "expired", None
            self._emit("checkout.session.expired", session)

    def price(self, key: str) -> Thing:
        """The price of a lookup key."""
        return next(each for each in self.all("price") if each["lookup_key"] == key)

    # What Stripe's API does

    async def _serve(self, request: Request) -> Response:
        body = (await request.body()).decode()
        query = dict(request.query_params.multi_items())
        given = _nested(parse_qsl(body, keep_blank_values=True) or list(request.query_params.multi_items()))
        key = request.headers.get("idempotency-key")
        path = request.path_params["path"]
        return await run_in_threadpool(self._answer, request.method, path, given | _nested(list(query.items())), key,
                                       request.headers.get("authorization", ""))  # fmt: skip

    def _answer(self, method: str, path: str, given: Thing, key: str | None, authorization: str) -> Response:
        if self.before_answer is not None:
            self.before_answer(method, path)
        if self.is_down:
            return _problem(503, "api_error", None, "down", **{"stripe-should-retry": "false"})
        if authorization != f"Bearer {self.key}":
            return _problem(401, "invalid_request_error", None, "Invalid API Key provided")
        with self._lock:
            self.calls.append((method, path, given, key))
            if method == "POST" and key in self._answers:
                sent, status, answer = self._answers[key]
                if sent != given:
                    return _problem(400, "idempotency_error", None, "Keys can only be used with the same parameters")
                return JSONResponse(answer, status)
            try:
                made = json.loads(json.dumps(self._do(method, path.split("/"), given)))
            except LookupError:
                return _problem(404, "invalid_request_error", "resource_missing", f"No such thing: {path}")
            except ValueError as error:
                return _problem(400, "invalid_request_error", str(error), str(error))
            if method == "POST" and key:
                self._answers[key] = (given, 200, made)
            return JSONResponse(made)

    def _do(self, method: str, path: list[str], given: Thing) -> Thing:
        kinds = {
            "customers": "customer",
            "prices": "price",
            "coupons": "coupon",
            "checkout/sessions": "checkout.session",
            "subscriptions": "subscription",
            "invoices": "invoice",
            "refunds": "refund",
            "webhook_endpoints": "webhook_endpoint",
            "billing_portal/sessions": "billing_portal.session",
            "billing_portal/configurations": "billing_portal.configuration",
        }
        name, rest = (
            ("/".join(path[:2]), path[2:]) if path[0] in ("checkout", "billing_portal") else (path[0], path[1:])
        )
        kind = kinds[name]
        if method == "GET" and not rest:
            return self._list(kind, given)
        if method == "GET":
            return self._shown(self.things.get(kind, {})[rest[0]], given)
        if method == "DELETE":
            return self._delete(kind, rest[0])
        if not rest:
            create = getattr(self, "_create_" + kind.replace(".", "_"), None)
            return create(given) if create else self._new(kind, kind[:4], given)
        if rest[1:] == ["expire"]:
            if self.things[kind][rest[0]]["status"] != "open":
                raise ValueError("resource_not_open")
            self.expire(rest[0])
        else:
            self.things[kind][rest[0]] |= {name: value for name, value in given.items() if name != "id"}
        return self._shown(self.things[kind][rest[0]], given)

    def _list(self, kind: str, given: Thing) -> Thing:
        found = [each for each in reversed(self.all(kind)) if not each.get("deleted")]
        for name in ("customer", "subscription", "payment_intent"):
            if name in given:
                found = [each for each in found if self._field(each, name) == given[name]]
        if "lookup_keys" in given:
            found = [each for each in found if each["lookup_key"] in given["lookup_keys"].values()]
        if given.get("status", "all") != "all":
            found = [each for each in found if each["status"] == given["status"]]
        limit = int(given.get("limit", 10))
        data = [self._shown(each, given) for each in found[:limit]]
        return {"object": "list", "data": data, "has_more": len(found) > limit, "url": f"/v1/{kind}s"}

    def _field(self, thing: Thing, name: str) -> Any:
        if name == "subscription" and thing["object"] == "invoice":
            return (thing["parent"] or {}).get("subscription_details", {}).get("subscription")
        return thing.get(name)

    def _shown(self, thing: Thing, given: Thing) -> Thing:
        """A thing without what is our own, with what was asked to be expanded."""
        shown = {name: value for name, value in thing.items() if not name.startswith("_")}
        wanted = " ".join((given.get("expand") or {}).values())
        if "schedule" in wanted and shown.get("schedule"):
            schedule = self.things["subscription_schedule"][shown["schedule"]]
            shown["schedule"] = schedule
        if "payments" not in wanted:
            shown.pop("payments", None)
        return shown

    def _delete(self, kind: str, id: str) -> Thing:
        thing = self.things.get(kind, {})[id]
        if thing.get("deleted"):
            raise LookupError(id)
        if kind == "subscription":
            if thing["ended_at"] is not None:
                raise LookupError(id)
            self.end(id)
            return self._shown(thing, {})
        thing["deleted"] = True
        for subscription in self.all("subscription"):
            if subscription["customer"] == id:
                self.end(subscription["id"])
        return {"id": id, "object": kind, "deleted": True}

    def _create_price(self, given: Thing) -> Thing:
        if any(each["lookup_key"] == given.get("lookup_key") for each in self.all("price")):
            raise ValueError("lookup_key_taken")
        product = self._new("product", "prod", given.pop("product_data"))
        return self._new("price", "price", {
            **given, "unit_amount": int(given["unit_amount"]), "product": product["id"], "active": True,
            "recurring": given.get("recurring"),
        })  # fmt: skip

    def _create_coupon(self, given: Thing) -> Thing:
        if given["id"] in self.things.get("coupon", {}):
            raise ValueError("resource_already_exists")
        return self._new("coupon", "coupon", {**given, "times_redeemed": 0})

    def _create_checkout_session(self, given: Thing) -> Thing:
        customer = self.things.get("customer", {}).get(given["customer"])
        if customer is None or customer.get("deleted"):
            raise LookupError(given["customer"])
        life = int(given["expires_at"]) - self._seconds()
        if not 30 * 60 <= life <= 24 * 3600:
            raise ValueError("expires_at_invalid")
        lines = list(given["line_items"].values())
        amount = sum(self.things["price"][line["price"]]["unit_amount"] * int(line["quantity"]) for line in lines)
        coupon = next(iter((given.get("discounts") or {}).values()), {}).get("coupon")
        if coupon:
            discount = self.things["coupon"][coupon]
            if discount["times_redeemed"] >= int(discount.get("max_redemptions", 1_000_000)):
                raise ValueError("coupon_expired")
            amount = round(amount * (100 - float(discount["percent_off"])) / 100)
        made = self._new("checkout.session", "cs_test", {
            "mode": given["mode"], "customer": given["customer"], "metadata": given.get("metadata", {}),
            "status": "open", "payment_status": "unpaid", "amount_total": amount, "currency": "eur",
            "subscription": None, "payment_intent": None, "expires_at": int(given["expires_at"]),
            "client_reference_id": given.get("client_reference_id"), "success_url": given["success_url"],
            "cancel_url": given["cancel_url"],
            "_lines": lines, "_coupon": coupon, "_subscription_data": given.get("subscription_data"),
        })  # fmt: skip
        made["url"] = self.checkout_page + made["id"]
        return self._shown(made, {})

    def _create_billing_portal_session(self, given: Thing) -> Thing:
        made = self._new("billing_portal.session", "bps", {**given})
        made["url"] = PORTAL_PAGE + made["id"]
        return made

    def _create_webhook_endpoint(self, given: Thing) -> Thing:
        return self._new("webhook_endpoint", "we", {**given, "secret": "whsec_made"})

    def _create_refund(self, given: Thing) -> Thing:
        payment = self.things["payment_intent"][given["payment_intent"]]
        amount = int(given["amount"])
        if payment["_refunded"] + amount > payment["amount"]:
            raise ValueError("charge_already_refunded")
        payment["_refunded"] += amount
        refund = self._new("refund", "re", {**given, "amount": amount, "status": "succeeded", "currency": "eur"})
        self._emit("refund.updated", refund)
        return refund

    def _subscribe(self, session: Thing, line: Thing, data: Thing) -> Thing:
        price, begin = self.things["price"][line["price"]], self._seconds()
        item = {
            "id": self._id("si"), "object": "subscription_item", "price": price, "quantity": 1,
            "current_period_start": begin, "current_period_end": _next(begin, price),
        }  # fmt: skip
        subscription = self._new("subscription", "sub", {
            "customer": session["customer"], "status": "active", "metadata": data.get("metadata", {}),
            "items": {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"},
            "start_date": begin, "cancel_at": None, "cancel_at_period_end": False, "ended_at": None,
            "canceled_at": None, "schedule": None, "latest_invoice": None,
        })  # fmt: skip
        if session["_coupon"]:
            self.things["coupon"][session["_coupon"]]["times_redeemed"] += 1
        self._emit("customer.subscription.created", subscription)
        self._invoice(subscription, session["amount_total"], paid=True)
        return subscription

    def _invoice(self, subscription: Thing, amount: int, *, paid: bool) -> Thing:
        details = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
        invoice = self._new("invoice", "in", {
            "customer": subscription["customer"], "status": "paid" if paid else "open", "total": amount,
            "amount_paid": amount if paid else 0, "currency": "eur", "number": f"STEP-{self._count:04}",
            "hosted_invoice_url": f"https://invoice.example.com/{self._count}", "invoice_pdf": None,
            "parent": {"type": "subscription_details", "subscription_details": details},
            "payments": {"object": "list", "data": [], "has_more": False, "url": "/v1/invoice_payments"},
        })  # fmt: skip
        if paid and amount:
            self._add_payment(invoice)
        subscription["latest_invoice"] = invoice["id"]
        self._emit("invoice.paid" if paid else "invoice.payment_failed", invoice)
        return invoice

    def _add_payment(self, invoice: Thing) -> None:
        intent = self._payment(invoice["total"], invoice["customer"])
        payment = {"type": "payment_intent", "payment_intent": intent["id"]}
        invoice["payments"]["data"].append({
            "id": self._id("inpay"), "object": "invoice_payment", "status": "paid", "amount_paid": invoice["total"],
            "currency": "eur", "payment": payment,
        })  # fmt: skip

    def _payment(self, amount: int, customer: str) -> Thing:
        return self._new("payment_intent", "pi", {"amount": amount, "customer": customer, "_refunded": 0})

    def _emit(self, type: str, thing: Thing) -> None:
        shown = json.loads(json.dumps(self._shown(thing, {})))
        event = {
            "id": self._id("evt"), "object": "event", "type": type, "created": self._seconds(), "livemode": False,
            "api_version": API_VERSION, "data": {"object": shown}, "pending_webhooks": 1, "request": None,
        }  # fmt: skip
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def _new(self, kind: str, prefix: str, values: Thing) -> Thing:
        id = values.get("id") or self._id(prefix)
        thing = {"metadata": {}, **values, "id": id, "object": kind, "created": self._seconds(), "livemode": False}
        self.things.setdefault(kind, {})[id] = thing
        return thing

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:06}"

    def _seconds(self) -> int:
        return int(self.now().timestamp())

    async def _pay_page(self, request: Request) -> Response:
        session = self.things["checkout.session"][request.path_params["session"]]
        if request.method == "GET":
            return HTMLResponse('<form method="post"><button>Pay</button></form>')
        await run_in_threadpool(self.pay, session["id"])
        return RedirectResponse(session["success_url"], 303)


def _next(begin: int, price: Thing) -> int:
    """The end of a period, in seconds: the same day of the next month or year."""
    at = datetime.fromtimestamp(begin, UTC)
    months = at.month + (12 if price["recurring"]["interval"] == "year" else 1)
    year, month = at.year + (months - 1) // 12, (months - 1) % 12 + 1
    return int(at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1])).timestamp())


def _nested(pairs: list[tuple[str, str]]) -> Thing:
    """`a[b][0]=x` as `{"a": {"b": {"0": "x"}}}`."""
    found: Thing = {}
    for name, value in pairs:
        keys = re.findall(r"[^\[\]]+", name)
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value
    return found


def _problem(status: int, kind: str, code: str | None, message: str, **headers: str) -> Response:
    return JSONResponse({"error": {"type": kind, "code": code, "message": message}}, status, headers=headers)
