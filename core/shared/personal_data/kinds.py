"""The kinds of personal data that are found, as keys of the fideslang taxonomy and in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind: the name in its placeholders, its category, and what it is called, once and more often."""

    name: str
    category: str
    one: str
    many: str


class Finding(NamedTuple):
    """Something found: its kind, and where it stands in the text."""

    kind: str
    start: int
    end: int


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("EMAIL", "user.contact.email", "e-mail address", "e-mail addresses"),
        Kind("PHONE", "user.contact.phone_number", "phone number", "phone numbers"),
        Kind("IBAN", "user.financial.bank_account", "bank account (IBAN)", "bank accounts (IBAN)"),
        Kind("CARD", "user.financial.credit_card", "payment card number", "payment card numbers"),
        Kind("NATIONAL_ID", "user.government_id.national_identification_number", "national id", "national ids"),
        Kind("IP", "user.device.ip_address", "IP address", "IP addresses"),
        Kind("BIRTH_DATE", "user.demographic.date_of_birth", "date of birth", "dates of birth"),
    )
}
BY_CATEGORY: Mapping[str, Kind] = {kind.category: kind for kind in KINDS.values()}


def categories_of(kinds: Iterable[str]) -> tuple[str, ...]:
    """The categories of kinds, sorted."""
    return tuple(sorted({KINDS[kind].category for kind in kinds}))


def count_kinds(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind, in the order of `KINDS`."""
    counted = Counter(finding.kind for finding in findings)
    return {name: counted[name] for name in KINDS if counted[name]}


def kinds_in_words(counts: Mapping[str, int]) -> str:
    """`2 e-mail addresses and 1 phone number`."""
    said = [
        f"{counts[name]:,} {kind.one if counts[name] == 1 else kind.many}"
        for name, kind in KINDS.items()
        if counts.get(name)
    ]
    return " and ".join((", ".join(said[:-1]), said[-1])) if len(said) > 1 else "".join(said)
