"""Proving movements: that they sum, follow from one another, and charge no more than their price book says. Pure.

The same walk proves the database and an export. It needs no key: a chain that was altered no longer hashes to what it
says, one that was cut no longer ends as it says, and one that was made anew altogether does not end with the hash that
an earlier statement or export noted.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.credits.chain import START, Link, hash_link
from core.credits.domain import Metered
from core.credits.prices import PriceBook, is_genuine, read_book
from core.shared.errors import InvalidInput

FORMAT = "stepiq-ledger-1"
ACCOUNTS = ("available", "held", "spent", "granted", "purchased", "expired")
NEVER_NEGATIVE = ("available", "held", "spent", "expired")
ONE_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """What a check found: figures, and a line for each thing wrong. `head`: the hash that the movements end with."""

    transactions: int
    owners: int
    problems: tuple[str, ...]
    head: bytes | None = None


@dataclass(slots=True)
class Walk:
    """Follows movements in their order. `sums` are the entries by account so far; `problems` a line each."""

    books: Mapping[str, PriceBook] = field(default_factory=dict)
    number: int = 0
    head: bytes = START
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))
    problems: list[str] = field(default_factory=list)
    broken: bool = False

    def follow(self, link: Link, hash_: bytes, balance: int) -> None:
        """Check the next movement: its sum, its hash, the balance it tells, and what it charges."""
        total = sum(link.amounts.values())
        if total != 0:
            self.problems.append(f"transaction {link.id} sums to {total}")
        for name, amount in link.amounts.items():
            self.sums[name] = self.sums.get(name, 0) + amount
        self.number += 1
        self.head = hash_link(self.head, link)
        if not self.broken and (link.number, hash_) != (self.number, self.head):
            # What follows a break cannot follow from it either: one line says so for all of it.
            self.broken = True
            self.problems.append(f"movement {link.number} does not follow from the one before it")
        if not self.broken:
            self._check_amounts(link, balance)

    def end(self, number: int, head: bytes, sums: Mapping[str, int]) -> None:
        """Check where the movements should end, and what they should sum to."""
        if not self.broken and (self.number, self.head) != (number, head):
            self.problems.append(f"its chain should end with movement {number}, not {self.number}")
        for name in ACCOUNTS:
            if sums.get(name, 0) != self.sums.get(name, 0):
                self.problems.append(f"{name} is {sums.get(name, 0)}, its entries sum to {self.sums.get(name, 0)}")

    def _check_amounts(self, link: Link, balance: int) -> None:
        there = self.sums["available"] + self.sums["held"]
        if balance != there:
            self.problems.append(f"movement {link.number} tells a balance of {balance}, and it is {there}")
        # What a hold of an earlier month gives back ends in the movement before the one that gives it back.
        passing = link.kind == "expire" and link.cause.startswith("hold:")
        for name in NEVER_NEGATIVE:
            if self.sums[name] < 0 and not passing:
                self.problems.append(f"movement {link.number} leaves {name} below zero")
        book = self.books.get(link.price_version or "")
        if link.metered is not None and book is not None:
            most, charged = most_charged(book, link.metered), link.amounts.get("spent", 0)
            if most is not None and charged > most:
                self.problems.append(
                    f"movement {link.number} charges {charged} micro-credits, and its tokens cost at most {most}"
                )


def most_charged(book: PriceBook, metered: Metered) -> int | None:
    """The most micro-credits that these tokens may cost by a book; None where the book does not price the model.

    Exact for prices without tiers. Where long prompts cost more, the dearest tier is taken: the calls of a step are
    added up here, and each has a tier of its own.
    """
    price = book.prices.get(metered.model)
    if price is None:
        return None
    plain = max(0, metered.input_tokens - metered.cached_tokens - metered.written_tokens)
    costs = (
        plain * tier.input_usd_per_mtok
        + metered.cached_tokens * tier.cached_input_usd_per_mtok
        + metered.written_tokens * tier.cache_write_usd_per_mtok
        + metered.output_tokens * tier.output_usd_per_mtok
        for tier in (price.at(0), *price.tiers)
    )
    return book.rates(metered.plan).micros(max(costs) / ONE_MILLION)


def verify_export(text: str, head: str | None = None) -> LedgerProof:
    """Check an exported ledger, with nothing but itself. `head`: a hash noted earlier, that it must end with or hold.

    Raises InvalidInput for a text that is no export.
    """
    told = _read(text)
    problems: list[str] = []
    try:
        books = dict(_books(told["price_books"], problems))
        opening, closing = told["opening"], told["closing"]
        walk = Walk(books, opening["number"], bytes.fromhex(opening["head"]), dict(opening["balances_micros"]))
        walk.sums = {**dict.fromkeys(ACCOUNTS, 0), **walk.sums}
        if walk.number == 0 and (walk.head != START or any(walk.sums.values())):
            problems.append("it opens with something although nothing came before")
        heads = {walk.head}
        for each in told["movements"]:
            link = read_link(each)
            if link.price_version is not None and link.metered is not None and link.price_version not in books:
                problems.append(f"movement {link.number} was priced by {link.price_version}, which is not in the file")
            walk.follow(link, bytes.fromhex(each["hash"]), each["balance_micros"])
            heads.add(walk.head)
        walk.end(closing["number"], bytes.fromhex(closing["head"]), closing["balances_micros"])
        if head is not None and bytes.fromhex(head) not in heads:
            walk.problems.append(f"no movement of it has the hash {head}: movements are missing, or were made anew")
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        raise _no_export(f"part of it is missing or malformed ({type(problem).__name__})") from None
    return LedgerProof(len(told["movements"]), 1, (*problems, *walk.problems), walk.head)


def link_content(link: Link, hash_: bytes, balance: int) -> dict[str, Any]:
    """A movement as an export holds it."""
    metered = None
    if link.metered is not None:
        metered = {each.name: getattr(link.metered, each.name) for each in fields(Metered)}
    return {
        "number": link.number,
        "id": link.id,
        "kind": link.kind,
        "cause": link.cause,
        "month": link.month,
        "price_version": link.price_version,
        "created_at": link.created_at,
        "amounts_micros": dict(link.amounts),
        "metered": metered,
        "balance_micros": balance,
        "hash": hash_.hex(),
    }


def read_link(told: Mapping[str, Any]) -> Link:
    """A movement from an export."""
    metered = None if told["metered"] is None else Metered(**told["metered"])
    return Link(
        told["number"], told["id"], told["kind"], told["cause"], told["month"], told["price_version"],
        told["created_at"], told["amounts_micros"], metered,
    )  # fmt: skip


def _books(told: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, PriceBook]]:
    for version, book in told.items():
        if not is_genuine(version, book["content"]):
            problems.append(f"the price book {version} is not what its name says")
        taken_at = datetime.fromisoformat(book["taken_at"])
        yield version, read_book(version, taken_at, book["content"])


def _read(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        raise _no_export("it is not JSON") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise _no_export(f"it does not say that it is {FORMAT}")
    return told


def _no_export(why: str) -> InvalidInput:
    return InvalidInput("NOT_AN_EXPORT", f"This file is no export of a ledger: {why}. Download it again, as JSON.")
