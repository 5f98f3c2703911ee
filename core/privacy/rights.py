"""The six rights: their names for people, their article, and the steps that carry each out."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.privacy.domain import Right
from core.privacy.erasure.steps import ERASURE
from core.privacy.export.building import ACCESS, PORTABILITY
from core.privacy.own_rights import OBJECTION, RECTIFICATION, RESTRICTION
from core.privacy.steps import RightStep


@dataclass(frozen=True, slots=True)
class RightWords:
    """A right in words: its title in each language, and its article of the GDPR."""

    title: dict[str, str]
    article: str


WORDS: dict[Right, RightWords] = {
    "access": RightWords({"en": "A copy of what we hold about you", "fr": "Une copie de vos données"}, "Art. 15"),
    "rectification": RightWords({"en": "Correction of your data", "fr": "Rectification de vos données"}, "Art. 16"),
    "erasure": RightWords({"en": "Deletion of your account", "fr": "Suppression de votre compte"}, "Art. 17"),
    "restriction": RightWords({"en": "A halt to the use of your data", "fr": "Limitation du traitement"}, "Art. 18"),
    "portability": RightWords({"en": "Your data to take elsewhere", "fr": "Portabilité de vos données"}, "Art. 20"),
    "objection": RightWords({"en": "An objection to analytics and news", "fr": "Opposition"}, "Art. 21"),
}

STEPS: dict[str, Sequence[RightStep]] = {
    "erasure": ERASURE,
    "rectification": RECTIFICATION,
    "restriction": RESTRICTION,
    "objection": OBJECTION,
    "access": ACCESS,
    "portability": PORTABILITY,
}
"""The steps of each right that the system carries out by itself."""


def title_of(right: Right, language: str) -> str:
    """What a right is called in a mail: `Deletion of your account (GDPR Art. 17)`."""
    words = WORDS[right]
    law = "RGPD" if language == "fr" else "GDPR"
    return f"{words.title[language]} ({law} {words.article})"


def steps_of(right: str) -> Sequence[RightStep]:
    """The steps of a right, in order. Raises KeyError for one that the system does not carry out."""
    return STEPS[right]
