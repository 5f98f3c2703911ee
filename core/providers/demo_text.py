"""Reading a text without a language model: sentences, frequent words, the text inside a prompt. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

READ_AT_MOST = 200_000  # characters: beyond that a summary by word frequency does not change

_STOPWORDS = """
a about above after again all also am an and any are as at be because been before being below
between both but by can could dear did do does doing down during each few for from further get give
had has have having he hello her here hers hi him his how i if in into is it its just kind like may
me might more most must my no nor not now of off on once one only or other our ours out over own
please regards same she should since so some such than thank thanks that the their them then there
these they this those through to too two under until up upon us very was we were what when where
which while who whom why will with within would yet you your yours aber als am an auch auf aus bei
bin bis das dass dem den der des die durch ein eine einem einen einer es für haben hat ich ihr im in
ist kann mit nach nicht noch nur oder sich sie sind über um und uns von vor war was wenn wie wir
wird zu zum zur de el en la las le les los un une et est que por para con
"""
STOPWORDS = frozenset(_STOPWORDS.split())

_TASKS = re.compile(
    r"\b(summari[sz]e|summary|digest|translate|extract|classify|categori[sz]e|triage|label|list|identify|find|read|"
    r"write|draft|compose|reply|respond|answer|rewrite|rephrase|generate|create|produce|return|give|provide|describe|"
    r"explain|analy[sz]e|review|evaluate|rate|score|tag|keywords?|title|headline|tl;?dr|condense|shorten|turn|convert|"
    r"from the|based on|using|you are|your task|output|respond with|fasse|zusammen|übersetze|résume)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_][\w'’-]*", re.UNICODE)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)")
_FENCES = re.compile(
    r"```[\w-]*\n?(.+?)```|\"\"\"(.+?)\"\"\"|<(\w+)>(.+?)</\3>|^-{3,}\s*$(.+?)^-{3,}\s*$",
    re.DOTALL | re.MULTILINE,
)
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|e\.g|i\.e|approx|Inc|Ltd|Co|Corp|z\.B|bzw)\.$")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10}
_HOW_MANY = re.compile(
    r"\b(\d{1,2}|" + "|".join(_NUMBERS) + r")\s+(?:\w+\s+){0,2}?"
    r"(sentences?|bullets?|points?|keywords?|tags?|items?|lines?|words|topics?|phrases?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt taken apart: what to do, and the text to do it to (empty when there is none)."""

    instruction: str
    text: str


def take_apart(prompt: str) -> Asked:
    """Tell the instruction from the text it is about, by fences, labels, task words and position."""
    prompt = prompt[:READ_AT_MOST].replace("\r\n", "\n").strip()
    fenced = [next(part for part in match.group(1, 2, 4, 5) if part) for match in _FENCES.finditer(prompt)]
    inside = "\n\n".join(part.strip() for part in fenced)
    if len(inside) >= 20:
        return Asked(_FENCES.sub(" ", prompt).strip(), inside)
    # Paragraphs, because an instruction and its text are usually set apart by an empty line.
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", prompt) if part.strip()]
    asks = [_asks(part, first=index == 0) for index, part in enumerate(paragraphs)]
    text = "\n\n".join(part for part, ask in zip(paragraphs, asks, strict=True) if not ask)
    if text and any(asks):
        instruction = "\n".join(part for part, ask in zip(paragraphs, asks, strict=True) if ask)
        head, rest = _cut_head(instruction)
        return Asked(head, f"{rest}\n\n{text}".strip())
    if not any(asks):
        return Asked("", prompt)
    return Asked(*_cut_head(prompt))


def _asks(paragraph: str, *, first: bool) -> bool:
    opening = " ".join(paragraph.split()[: 12 if first else 5])
    return len(paragraph) < 1_500 and bool(_TASKS.search(opening))


def _cut_head(prompt: str) -> tuple[str, str]:
    """Cut an instruction that runs straight into its text: at a colon, a line end or a sentence end."""
    colon = re.search(r":(?:\s*\n|\s+)", prompt[:1_500])
    if colon and _TASKS.search(prompt[: colon.start()]) and _is_text(prompt[colon.end() :]):
        return prompt[: colon.end()].strip(), prompt[colon.end() :].strip()
    lines = prompt.split("\n")
    if len(lines) > 1:
        asked = [line for line in lines if _asks(line, first=True) and len(line) < 300]
        rest = [line for line in lines if line not in asked]
        if asked and len(" ".join(rest).split()) >= 5:
            return "\n".join(asked), "\n".join(rest).strip()
    parts = sentences(prompt)
    if len(parts) > 1 and not _TASKS.search(" ".join(parts[1].split()[:4])):
        return parts[0], " ".join(parts[1:])
    return prompt, ""


def _is_text(rest: str) -> bool:
    """False for what goes on instructing: `Triage this mail: return JSON ...`."""
    return len(rest) >= 15 and not re.match(r"\s*[{\[`\"]", rest) and not _TASKS.match(rest.strip())


def sentences(text: str) -> list[str]:
    """The sentences and list items of a text, in order, without list marks."""
    found: list[str] = []
    for part in _SENTENCE_END.split(text):
        clean = " ".join(part.split()) if part else ""
        clean = re.sub(r"^(?:[-*•]|\d{1,2}[.)]|#{1,6})\s+", "", clean)
        clean = re.sub(r"^(?:Mail|E-?mail|Text|Message|Article|Input|Notes?):\s+|^Subject:\s+", "", clean)
        if not clean:
            continue
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + clean
        else:
            found.append(clean)
    return found


def words(text: str) -> list[str]:
    """The words of a text in lower case, stop words left out."""
    lowered = (match.group().lower().strip("'’-") for match in _WORD.finditer(text))
    return [word for word in lowered if len(word) > 2 and word not in STOPWORDS]


def summarize(text: str, count: int) -> list[str]:
    """The `count` sentences with the most frequent words, in the order of the text."""
    parts = [part for part in sentences(text) if len(part) > 1]
    if len(parts) <= count:
        return parts
    weights = Counter(words(text))
    scored: list[tuple[float, int]] = []
    for index, part in enumerate(parts):
        own = words(part)
        # Long sentences collect more words: divide by the length, but not so far that headings win.
        score = sum(weights[word] for word in set(own)) / max(6.0, len(own) ** 0.75)
        scored.append((score * (1.25 if index == 0 else 1.0), index))
    best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:count]
    return [parts[index] for _, index in sorted(best, key=lambda pair: pair[1])]


def keywords(text: str, count: int) -> list[str]:
    """The most frequent telling words and pairs of words, the most frequent first."""
    found = words(text)
    single = Counter(found)
    pairs = Counter(
        pair for part in sentences(text) for pair in _neighbours(part) if single[pair[0]] > 1 and single[pair[1]] > 1
    )
    ranked = [" ".join(pair) for pair, times in pairs.most_common(count) if times > 1]
    used = {word for pair in ranked for word in pair.split()}
    first_at = {word: index for index, word in reversed(list(enumerate(found)))}
    rest = sorted(single, key=lambda word: (-single[word], first_at[word]))
    return (ranked + [word for word in rest if word not in used])[:count]


def _neighbours(sentence: str) -> list[tuple[str, str]]:
    raw = [match.group().lower() for match in _WORD.finditer(sentence)]
    return [
        (left, right)
        for left, right in pairwise(raw)
        if left not in STOPWORDS and right not in STOPWORDS and len(left) > 2 and len(right) > 2
    ]


def how_many(instruction: str, default: int, kinds: str) -> int:
    """The number an instruction asks for, such as `three sentences`; `kinds` is a pattern of nouns."""
    for match in _HOW_MANY.finditer(instruction):
        if re.match(kinds, match.group(2), re.IGNORECASE):
            given = match.group(1).lower()
            return max(1, min(50, _NUMBERS.get(given) or int(given)))
    if re.search(r"\b(?:one|a|single)\s+(?:\w+\s+)?sentence\b", instruction, re.IGNORECASE) and "sentence" in kinds:
        return 1
    return default
