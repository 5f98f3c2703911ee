"""What is added to a document and what is taken out, word by word. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from core.privacy.policies.rendering import Block, BlockKind, blocks

Change = Literal["same", "added", "removed"]
KEPT_AROUND = 1
"""Pieces without a change that are shown before and after one with a change."""
ALIKE = 0.4
"""From this share of common words on, two pieces are the same one rewritten."""
_WORDS = re.compile(r"\s+|[^\s\w]|\w+")


@dataclass(frozen=True, slots=True)
class Words:
    """Some words of a piece, and whether they are new, gone or as before."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class ChangedBlock:
    """A piece of a document with what changed in it. `left_out`: how many unchanged pieces stand here instead."""

    kind: BlockKind
    words: tuple[Words, ...]
    left_out: int = 0

    @property
    def is_changed(self) -> bool:
        """Whether anything in it is new or gone."""
        return any(each.change != "same" for each in self.words)


@lru_cache(maxsize=32)
def compare(before: str, after: str) -> tuple[ChangedBlock, ...]:
    """The new document with what changed against the old one; long stretches without a change are counted only."""
    old, new = blocks(before), blocks(after)
    found: list[ChangedBlock] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            found += [ChangedBlock(each.kind, (Words("same", each.text),)) for each in new[c:d]]
        else:
            found += _rewritten(old[a:b], new[c:d])
    return tuple(_shortened(found))


def counts(changed: Sequence[ChangedBlock]) -> tuple[int, int]:
    """How many words are added and how many taken out."""
    totals = {"added": 0, "removed": 0}
    for words in (each for block in changed for each in block.words):
        if words.change != "same":
            totals[words.change] += len(re.findall(r"\w+", words.text))
    return totals["added"], totals["removed"]


def _rewritten(old: Sequence[Block], new: Sequence[Block]) -> list[ChangedBlock]:
    """Pieces that took the place of others: each new one beside the old one it resembles most, in order."""
    found: list[ChangedBlock] = []
    at = 0
    for block in new:
        ratios = [(_alike(each, block), place) for place, each in enumerate(old[at:], at)]
        best, place = max(ratios, key=lambda pair: (pair[0], -pair[1]), default=(0.0, at))
        if best < ALIKE:
            found.append(ChangedBlock(block.kind, (Words("added", block.text),)))
            continue
        found += [_gone(each) for each in old[at:place]]
        found.append(ChangedBlock(block.kind, _words(old[place].text, block.text)))
        at = place + 1
    return found + [_gone(each) for each in old[at:]]


def _gone(block: Block) -> ChangedBlock:
    return ChangedBlock(block.kind, (Words("removed", block.text),))


def _alike(old: Block, new: Block) -> float:
    if old.kind != new.kind:
        return 0.0
    return SequenceMatcher(None, _WORDS.findall(old.text), _WORDS.findall(new.text), autojunk=False).ratio()


def _words(before: str, after: str) -> tuple[Words, ...]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    found: list[Words] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(Words("same", "".join(new[c:d])))
            continue
        if b > a:
            found.append(Words("removed", "".join(old[a:b])))
        if d > c:
            found.append(Words("added", "".join(new[c:d])))
    return tuple(found)


def _shortened(found: Sequence[ChangedBlock]) -> list[ChangedBlock]:
    near = {
        at + step for at, block in enumerate(found) if block.is_changed for step in range(-KEPT_AROUND, KEPT_AROUND + 1)
    }
    shown: list[ChangedBlock] = []
    left_out = 0
    for at, block in enumerate(found):
        if at in near:
            if left_out:
                shown.append(ChangedBlock("text", (), left_out))
            left_out = 0
            shown.append(block)
        else:
            left_out += 1
    if left_out and shown:
        shown.append(ChangedBlock("text", (), left_out))
    return shown
