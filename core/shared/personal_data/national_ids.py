"""Numbers that a state gives to a person: where the form alone is rare enough, by form and check digit; else by the
word beside it as well.

A number of eleven digits passes one of these checks by chance one time in eleven, so a bare one is only taken where
something says what it is.
"""

import re
from collections.abc import Callable, Iterator

from stdnum.be import nn
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.pt import cc
from stdnum.se import personnummer
from stdnum.us import ssn

Check = Callable[[str], bool]
_S = "[  \u202f]?"


def _any(_written: str) -> bool:
    return True


# What cannot be mistaken: a form of its own, and a check digit or rules that agree.
_FORMS: tuple[tuple[re.Pattern[str], Check], ...] = (
    (  # France: sex, year, month, place of birth, order, key
        re.compile(
            rf"(?<![\w.])[1-478]{_S}\d\d{_S}(?:0[1-9]|1[0-2]|[2-9]\d){_S}(?:\d\d|2[AB]){_S}\d{{3}}{_S}\d{{3}}{_S}[-/]?{_S}\d\d(?!\w)"
        ),
        lambda written: nir.is_valid(re.sub(r"[^0-9AB]", "", written)),
    ),
    (re.compile(r"(?<!\w)[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)"), codicefiscale.is_valid),  # Italy
    (re.compile(r"(?<!\w)\d{8}-?[A-HJ-NP-TV-Z](?!\w)"), dni.is_valid),  # Spain
    (re.compile(r"(?<!\w)[XYZ]-?\d{7}-?[A-Z](?!\w)"), nie.is_valid),  # Spain, foreigners
    (re.compile(r"(?<!\w)\d\d\.\d\d\.\d\d-\d{3}\.\d\d(?!\w)"), nn.is_valid),  # Belgium
    (re.compile(r"(?<!\w)756\.\d{4}\.\d{4}\.\d\d(?!\w)"), ahv.is_valid),  # Switzerland
    (re.compile(r"(?<![\w-])(?:19|20)?\d{6}[-+]\d{4}(?![\w-])"), personnummer.is_valid),  # Sweden
    (re.compile(r"(?<![\w-])\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y](?![\w-])"), hetu.is_valid),  # Finland
    (re.compile(r"(?<!\w)\d{8}[ ]?\d[ ]?[A-Z]{2}\d(?!\w)"), cc.is_valid),  # Portugal
    (re.compile(r"(?<![\w-])\d{3}-\d\d-\d{4}(?![\w-])"), ssn.is_valid),  # United States
    (  # United Kingdom: no check digit, but letters that no other number has
        re.compile(
            r"(?<!\w)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)"
        ),
        _any,
    ),
)
# What needs a word beside it.
_NAMED: tuple[tuple[re.Pattern[str], Check], ...] = tuple(
    (re.compile(rf"(?:{words})\D{{0,30}}?({form})(?!\w)", re.IGNORECASE), check)
    for words, form, check in (
        (r"s[ée]curit[ée] sociale|\bNIR\b|\bINSEE\b|num[ée]ro de s[ée]cu", r"[1-478]\d{4}(?:\d\d|2[AB])\d{6}", _any),
        (r"steuer-?id|steueridentifikation|\bIdNr\b|tax id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid),
        (r"\bBSN\b|burgerservice", r"\d{9}|\d{4}\.\d{2}\.\d{3}", bsn.is_valid),
        (r"\bPESEL\b", r"\d{11}", pesel.is_valid),
        (r"\bCPR\b|personnummer", r"\d{6}-?\d{4}", cpr.is_valid),
        (r"rijksregister|registre national|\bNISS\b|\bINSZ\b|national number", r"\d{11}", nn.is_valid),
    )
)


ID_WORDS = (
    "sécu", "secu", "nir", "insee", "steuer", "idnr", "tax id", "bsn", "burgerservice", "pesel", "cpr", "personnummer",
    "rijksregister", "registre national", "niss", "insz", "national number",
)  # fmt: skip
"""In small letters, a word of each of those that need one."""


def ids_by_form(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where numbers stand that cannot be mistaken."""
    for form, check in _FORMS:
        for found in form.finditer(text, start, stop):
            if check(found[0]):
                yield found.span()


def ids_by_word(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where numbers stand beside a word that says what they are."""
    for named, check in _NAMED:
        for found in named.finditer(text, start, stop):
            if check(found[1]):
                yield found.span(1)
