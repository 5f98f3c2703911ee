"""Discount codes: made by operators, checked and counted here, taken off by Stripe.

A use is reserved with the code's row locked when a Checkout is opened, so that Checkouts at the same time cannot pass
the limit; it is redeemed when the Checkout was paid, and free again once Stripe says that it was not.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Account, SessionView, clean_email
from core.accounts.plans import PLANS
from core.credits.payments.domain import PLAN_EUR, Interval, clean_code
from core.credits.payments.errors import CodeRefused
from core.credits.payments.gateway import Coupon
from core.credits.payments.models import DiscountAddressRow, DiscountCodeRow, RedemptionRow
from core.credits.payments.queries import COUNTED, CodeView, code_view
from core.platform.idempotency import Once, answer_once
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput, NotFound

CODE = re.compile(r"[A-Z0-9_-]{3,40}")
MOST_CYCLES = 36
MOST_ADDRESSES = 1_000
TRIES_AN_HOUR = 20
MAY_BILL = frozenset({"admin", "accounting"})


def check_billing_role(by: SessionView) -> None:
    """Raises Forbidden for who is neither an admin nor does the accounts."""
    if not by.account.roles & MAY_BILL:
        raise Forbidden("NOT_ACCOUNTING", "Only an admin or accounting may do this.")


def make_code(
    runtime: Runtime,
    by: SessionView,
    *,
    code: str,
    percent: int,
    cycles: int | None = 1,
    plan: str | None = None,
    max_redemptions: int | None = None,
    expires_at: datetime | None = None,
    addresses: Iterable[str] = (),
    once: Once | None = None,
) -> CodeView:
    """Make a discount code: `percent` off for `cycles` payments, None for every one. Addresses are kept as hashes.

    Raises Forbidden, InvalidInput, Conflict CODE_TAKEN.
    """
    check_billing_role(by)
    word = clean_code(code)
    _check(word, percent, cycles, plan, max_redemptions, expires_at, runtime.clock.now())
    known = {runtime.vault.blind_index("email", clean_email(each)) for each in addresses}
    if len(known) > MOST_ADDRESSES:
        raise InvalidInput("TOO_MANY_ADDRESSES", f"Name at most {MOST_ADDRESSES:,} addresses.", field="addresses")
    row = DiscountCodeRow(
        id=runtime.ids.new(),
        code=word,
        percent=percent,
        cycles=cycles,
        plan=plan,
        max_redemptions=max_redemptions,
        expires_at=expires_at,
        is_limited=bool(known),
        made_by=by.account.id,
        created_at=runtime.clock.now(),
    )
    taken = Conflict("CODE_TAKEN", f"There is a code {word} already, or was one. Choose another word.")
    with runtime.database.write() as session:
        answer = answer_once(runtime, session, by.account.id, once, row.id)
        if answer != row.id:
            return code_view(session.get_one(DiscountCodeRow, answer), 0)
        session.add(row)
        try:
            session.flush()
        except IntegrityError:
            raise taken from None
        session.add_all(DiscountAddressRow(code_id=row.id, email_index=index) for index in sorted(known))
        record_act(
            runtime, session, "discount.made", actor_id=by.account.id, subject_id=row.id,
            percent=percent, cycles=cycles, max_redemptions=max_redemptions, limited=bool(known),
        )  # fmt: skip
    return code_view(row, 0)


def end_code(runtime: Runtime, by: SessionView, code_id: str) -> None:
    """Take a code back: it counts for no new Checkout. Subscriptions that have it keep it. Raises NotFound."""
    check_billing_role(by)
    alive = (DiscountCodeRow.id == code_id, DiscountCodeRow.ended_at.is_(None))
    ended = update(DiscountCodeRow).where(*alive).values(ended_at=runtime.clock.now())
    with runtime.database.write() as session:
        if session.scalar(ended.returning(DiscountCodeRow.id)) is None:
            raise NotFound("CODE_NOT_FOUND", "There is no such code, or it was taken back already.")
        record_act(runtime, session, "discount.ended", actor_id=by.account.id, subject_id=code_id)


def count_guess(runtime: Runtime, owner: Account) -> None:
    """Count one try of a code: words are short, and must not be guessed. Raises LimitExceeded."""
    count_try(runtime, "discount-code", owner.id, limit=TRIES_AN_HOUR, seconds=3600)


def reserve(
    runtime: Runtime, session: Session, owner: Account, code: str, *, plan: str, checkout_id: str
) -> DiscountCodeRow:
    """Reserve a use of a code in the caller's transaction. Raises CodeRefused, with its reason for whom it is for."""
    row = session.scalar(select(DiscountCodeRow).where(DiscountCodeRow.code == clean_code(code)).with_for_update())
    now = runtime.clock.now()
    unknown = CodeRefused("CODE_UNKNOWN", "This code does not count. Check its spelling.", field="discount_code")
    if row is None or row.ended_at is not None:
        raise unknown
    if row.is_limited:
        index = runtime.vault.blind_index("email", owner.email)
        if session.get(DiscountAddressRow, (row.id, index)) is None:
            raise unknown
    if row.expires_at is not None and row.expires_at <= now:
        raise CodeRefused("CODE_EXPIRED", f"This code ended on {row.expires_at:%Y-%m-%d}.", field="discount_code")
    if row.plan is not None and row.plan != plan:
        message = f"This code counts for the {PLANS[row.plan].title} plan."
        raise CodeRefused("CODE_OTHER_PLAN", message, field="discount_code")
    mine = session.get(RedemptionRow, (row.id, owner.id))
    if mine is not None and mine.state == "redeemed":
        raise CodeRefused("CODE_USED", "You used this code already. It counts once.", field="discount_code")
    if row.max_redemptions is not None:
        others = (
            RedemptionRow.code_id == row.id,
            RedemptionRow.owner_id != owner.id,
            RedemptionRow.state.in_(COUNTED),
        )
        if (session.scalar(select(func.count()).where(*others)) or 0) >= row.max_redemptions:
            message = "This code was used as often as it may be. Nothing was charged."
            raise CodeRefused("CODE_USED_UP", message, field="discount_code")
    session.merge(
        RedemptionRow(code_id=row.id, owner_id=owner.id, checkout_id=checkout_id, state="reserved", created_at=now)
    )
    return row


def end_reservation(session: Session, checkout_id: str, *, redeemed: bool) -> None:
    """Let a reserved use count for good, or free it. A use that counts stays one."""
    mine = (RedemptionRow.checkout_id == checkout_id, RedemptionRow.state != "redeemed")
    session.execute(update(RedemptionRow).where(*mine).values(state="redeemed" if redeemed else "left"))


def coupon_for(code: DiscountCodeRow, interval: Interval) -> Coupon:
    """A code as a coupon of Stripe's, which counts in months: a yearly payment is twelve."""
    months = None if code.cycles is None else code.cycles * (12 if interval == "yearly" else 1)
    is_once = code.cycles == 1
    return Coupon(
        id=f"{code.id}-{interval}",
        percent=code.percent,
        months=None if is_once else months,
        is_forever=code.cycles is None,
        max_redemptions=code.max_redemptions,
    )


def _check(
    word: str,
    percent: int,
    cycles: int | None,
    plan: str | None,
    max_redemptions: int | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    if not CODE.fullmatch(word):
        raise InvalidInput("INVALID_CODE", "A code has 3 to 40 letters from A to Z, digits, _ and -.", field="code")
    if not 1 <= percent <= 100:
        raise InvalidInput("INVALID_PERCENT", "Take off between 1 and 100 percent.", field="percent")
    if cycles is not None and not 1 <= cycles <= MOST_CYCLES:
        raise InvalidInput("INVALID_CYCLES", f"Choose between 1 and {MOST_CYCLES} payments.", field="cycles")
    if percent == 100 and cycles is None:
        message = "A plan that is free for ever is no discount: set the person's plan instead."
        raise InvalidInput("INVALID_CYCLES", message, field="cycles")
    if plan is not None and plan not in PLAN_EUR:
        raise InvalidInput("UNKNOWN_PLAN", f"Choose one of {', '.join(PLAN_EUR)}.", field="plan")
    if max_redemptions is not None and max_redemptions < 1:
        raise InvalidInput("INVALID_LIMIT", "A code counts at least once.", field="max_redemptions")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("INVALID_EXPIRY", "The end lies in the past.", field="expires_at")
