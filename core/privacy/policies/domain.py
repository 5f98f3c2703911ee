"""Policies: the two documents, their sections and versions, and the rules for changing them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from core.shared.errors import InvalidInput

Document = Literal["privacy", "terms"]
DOCUMENTS: tuple[Document, ...] = get_args(Document)
State = Literal["published", "withdrawn"]

MATERIAL_NOTICE = timedelta(days=14)
"""How long before it counts a material change is announced. No setting: who is told on a Friday and is away for a week
must still have a week to read, ask, take their data with them and leave."""
SMALL_NOTICE = timedelta(days=1)
"""The same for a change that alters nothing for anybody, such as a clearer word."""
LONGEST_TEXT = 100_000  # characters
LONGEST_SUMMARY = 2_000

_SECTION = re.compile(r"^## +(?P<title>[^{\n]+?) *(?:\{(?P<ids>[^}\n]*)\})? *$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{ *([a-z_]+) *\}\}")


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a document: its heading, the address of it in the page, and the promises it makes."""

    anchor: str
    title: str
    promises: tuple[str, ...]
    body: str


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of a document. `version` is the day from which it counts, and its address."""

    id: str
    document: Document
    version: str
    text: str
    summary: str
    material: bool
    state: State
    effective_at: datetime
    published_at: datetime
    shipped: bool
    """Came with the software: the first one, which changes nothing that was told before."""

    def counts(self, now: datetime) -> bool:
        """Whether its day has come and it was not taken back."""
        return self.state == "published" and self.effective_at <= now


@dataclass(frozen=True, slots=True)
class PolicyDraft:
    """What an admin prepares. `revision` tells whether somebody else saved meanwhile."""

    document: Document
    text: str
    summary: str
    material: bool
    effective_on: date | None
    revision: int
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeFigures:
    """How many people were told about a version, by which way, and how many still are to be."""

    told: int
    mailed: int
    seen: int
    waiting: int


def clean_document(name: str) -> Document:
    """One of the two documents. Raises InvalidInput."""
    for document in DOCUMENTS:
        if name == document:
            return document
    raise InvalidInput("UNKNOWN_DOCUMENT", "Choose the privacy policy or the terms of use.", field="document")


def sections(text: str) -> tuple[Section, ...]:
    """The sections of a document. A heading ends with the promises it makes: `## Cookies {P12}`."""
    found = list(_SECTION.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)] if found else []
    return tuple(
        Section(
            anchor_of(match["title"]),
            match["title"].strip(),
            tuple((match["ids"] or "").replace(",", " ").split()),
            text[match.end() : end].strip(),
        )
        for match, end in zip(found, ends, strict=True)
    )


def anchor_of(title: str) -> str:
    """`Why we hold it` is at `#why-we-hold-it`."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))


def placeholders(text: str) -> frozenset[str]:
    """The names that a text wants filled."""
    return frozenset(_PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its names replaced. A name nobody knows stays as it is: `problems_of` names it."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def problems_of(document: Document, text: str, known: Mapping[str, object], values: Mapping[str, str]) -> list[str]:
    """Why a text cannot be published, a line each: every section of a policy makes promises, every promise is made."""
    problems = [f"Nothing fills {{{{{name}}}}}." for name in sorted(placeholders(text) - set(values))]
    found = sections(text)
    if not found:
        problems.append("The text has no section: a section begins with a line such as ## Cookies {P12}.")
    anchors = [section.anchor for section in found]
    twice = sorted({each for each in anchors if anchors.count(each) > 1})
    problems += [f"Two sections have the heading {each!r}." for each in twice]
    made = {promise for section in found for promise in section.promises}
    problems += [f"There is no promise {name}." for name in sorted(made - set(known))]
    if document == "privacy":
        problems += [f"The section {each.title!r} makes no promise." for each in found if not each.promises]
        problems += [f"No section makes the promise {name}." for name in known if name not in made]
    return problems


def effective_at(day: date) -> datetime:
    """The moment from which a version counts: the beginning of its day, UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def earliest_day(now: datetime, *, material: bool) -> date:
    """The first day on which a version that is published now may begin to count."""
    first = now + (MATERIAL_NOTICE if material else SMALL_NOTICE)
    day = first.date()
    return day if effective_at(day) >= first else day + timedelta(days=1)


def check_effective(day: date, now: datetime, *, material: bool) -> None:
    """Raises InvalidInput for a day that leaves people too little time."""
    first = earliest_day(now, material=material)
    if day < first:
        why = "so that people can read it and leave if they do not agree" if material else "so that people can be told"
        raise InvalidInput("TOO_SOON", f"Choose {first:%d %B %Y} or later, {why}.", field="effective_on")


def in_force(versions: tuple[PolicyVersion, ...], document: Document, now: datetime) -> PolicyVersion:
    """The version that counts now: the newest whose day has come, else the first there was."""
    mine = [each for each in versions if each.document == document and each.state == "published"]
    past = [each for each in mine if each.counts(now)]
    return max(past, key=_order) if past else min(mine, key=_order)


def upcoming(versions: tuple[PolicyVersion, ...], document: Document, now: datetime) -> PolicyVersion | None:
    """The version that was announced and does not count yet."""
    mine = (each for each in versions if each.document == document and each.state == "published" and not each.shipped)
    return next((each for each in mine if not each.counts(now)), None)


def _order(version: PolicyVersion) -> tuple[datetime, datetime]:
    return version.effective_at, version.published_at
