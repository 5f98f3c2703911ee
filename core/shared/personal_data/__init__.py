"""Personal data in texts: finding it, and keeping it back behind placeholders.

    find("write to ada@example.org")        # (Finding("EMAIL", 9, 24),)

Found is what has a form: addresses, numbers with a check digit, dates of birth beside a word that says so. Names,
postal addresses and what a sentence tells of somebody have none, and are not found; no list of words for health,
belief or origin is kept, because a word alone says nothing of anybody, and half of all texts hold one.
"""

from core.shared.personal_data.detector import find, find_all
from core.shared.personal_data.kinds import KINDS, Finding, Kind, categories_of, count_kinds, kinds_in_words
from core.shared.personal_data.placeholders import Placeholders, StreamRestorer
from core.shared.personal_data.samples import failed_samples

__all__ = [
    "KINDS",
    "Finding",
    "Kind",
    "Placeholders",
    "StreamRestorer",
    "categories_of",
    "count_kinds",
    "failed_samples",
    "find",
    "find_all",
    "kinds_in_words",
]
