"""What a template is made of: its tags, the references in them, and what is wrong with it.

The language is a small part of Handlebars: `{{reference}}`, `{{json reference}}`, `{{#if}}`, `{{else}}`,
`{{else if}}`, `{{#each}}`, comments, and `\\{{` for two braces as text. Nothing else is let through, so
partials, lookups and helpers of the engine cannot be reached.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

Use = Literal["print", "json", "if", "each"]
TagKind = Literal["print", "json", "if", "each", "else", "else_if", "close", "comment"]

ROOTS = ("input", "vars", "steps", "env")
LOOP_DATA = ("index", "key", "first", "last")
MAX_BLOCK_DEPTH = 20

MAX_PROBLEMS = 20
CACHED_LENGTH = 20_000

STEP_NAME = re.compile(r"[a-z0-9_]+")
LONG_COMMENT = re.compile(r"\{\{~?!--")
LONG_COMMENT_END = re.compile(r"--~?\}\}")
HEAD = re.compile(r"@?[^\W\d][\w$-]*|\.(?![\w\[.])")
SEGMENT = re.compile(r"\.?\[(?P<bracketed>[^\[\]]+)\]|\.(?P<plain>[\w$-]+)")


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference as written. `start` and `end` are its place in the template, without braces.

    `root` is `input`, `vars`, `steps`, `env`, `this` (the item of `{{#each}}`), `@` (its index and key) or
    `local` (a name that a `map` gives its item); `path` is what follows, for `local` with the name itself.
    `spans` are the places of the segments of `path`. `bare`: a word without a root, inside `{{#each}}` a field
    of the item unless a `map` gives it a meaning.
    """

    root: str
    path: tuple[str, ...]
    text: str
    start: int
    end: int
    use: Use
    spans: tuple[tuple[int, int], ...] = field(default=(), repr=False, compare=False)
    bare: bool = field(default=False, repr=False, compare=False)

    @property
    def step(self) -> str | None:
        """The id (or number) of the step it reads, or None."""
        return self.path[0] if self.root == "steps" and self.path else None


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """Something wrong in a template, and where in it."""

    code: str
    message: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TemplateTag:
    """One `{{...}}`: `start` and `end` include the braces. `block` is what a closing tag closes."""

    kind: TagKind
    start: int
    end: int
    strip_before: bool = False
    strip_after: bool = False
    reference: Reference | None = None
    block: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template taken apart. `body_sizes` is the length of the body of each `{{#each}}`, by tag start."""

    tags: tuple[TemplateTag, ...]
    problems: tuple[TemplateProblem, ...]
    body_sizes: dict[int, int] = field(compare=False)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in written order."""
        return tuple(tag.reference for tag in self.tags if tag.reference is not None)


def read_template(template: str) -> Template:
    """Take a template apart. What is wrong is in `problems`; nothing is raised."""
    return _read_short(template) if len(template) <= CACHED_LENGTH else _Scanner(template).scan()


@lru_cache(maxsize=512)
def _read_short(template: str) -> Template:
    return _Scanner(template).scan()


def find_references(template: str) -> tuple[Reference, ...]:
    """The references of a template, in written order."""
    return read_template(template).references


def exact_reference(template: str) -> Reference | None:
    """The reference a field consists of, when it is nothing but one `{{reference}}`."""
    stripped = template.strip()
    tags = read_template(template).tags
    if len(tags) != 1 or tags[0].kind != "print" or template[tags[0].start : tags[0].end] != stripped:
        return None
    return tags[0].reference


def parse_reference(text: str) -> Reference | None:
    """A reference written without braces, such as `steps.draft.output`; None when it is not one."""
    reference = _reference(text, 0, "print")
    return reference if reference is not None and reference.root in ROOTS else None


def value_template(text: str) -> str | None:
    """A `from` as a template: `draft` and `steps.draft.output` mean `{{steps.draft.output}}`.

    None when the text names no value at all.
    """
    if "{{" in text:
        return text
    bare = text.strip()
    if parse_reference(bare) is not None:
        return f"{{{{{bare}}}}}"
    return f"{{{{steps.{bare}.output}}}}" if STEP_NAME.fullmatch(bare) else None


def step_named(name: str, step_ids: Sequence[str]) -> str | None:
    """The id behind what a reference calls a step: its id, else its number from 1."""
    if name in step_ids:
        return name
    if name.isascii() and name.isdigit() and len(name) < 6 and 1 <= int(name) <= len(step_ids):
        return step_ids[int(name) - 1]
    return None


def normalise(template: str, step_ids: Sequence[str]) -> str:
    """The template with `steps.1` (counted from 1) written as the id of that step."""
    return replace_segments(template, {str(number): name for number, name in enumerate(step_ids, 1)}, step_ids)


def replace_segments(template: str, names: dict[str, str], keep: Sequence[str] = ()) -> str:
    """The template with steps renamed by `names`; ids in `keep` stay."""
    for start, end, name in reversed(step_spans(template)):
        if name in names and name not in keep:
            template = f"{template[:start]}{names[name]}{template[end:]}"
    return template


def step_spans(template: str) -> list[tuple[int, int, str]]:
    """Where steps are named in a template: start, end and name, in written order."""
    found = []
    for reference in find_references(template):
        if reference.step is not None:
            start, end = reference.spans[0]
            found.append((start, end, reference.step))
    return found


class _Scanner:
    def __init__(self, template: str) -> None:
        self.template = template
        self.tags: list[TemplateTag] = []
        self.problems: list[TemplateProblem] = []
        self.blocks: list[TemplateTag] = []
        self.body_sizes: dict[int, int] = {}

    def scan(self) -> Template:
        at = 0
        while (start := self.template.find("{{", at)) >= 0:
            if _is_escaped(self.template, start, at):
                at = start + 2
                continue
            at = self._tag(start)
            if len(self.problems) >= MAX_PROBLEMS or len(self.blocks) > MAX_BLOCK_DEPTH:
                return self._result()
        for block in self.blocks:
            self._problem(
                f"`{{{{#{block.kind}}}}}` is never closed: add {{{{/{block.kind}}}}}.", block.start, block.end
            )
        return self._result()

    def _result(self) -> Template:
        return Template(tuple(self.tags), tuple(self.problems), self.body_sizes)

    def _problem(self, message: str, start: int, end: int, code: str = "TEMPLATE") -> None:
        self.problems.append(TemplateProblem(code, message, start, end))

    def _tag(self, start: int) -> int:
        """Read the tag that begins here; returns where to go on."""
        template = self.template
        if LONG_COMMENT.match(template, start):
            comment_end = LONG_COMMENT_END.search(template, start)
            if comment_end is None:
                self._problem("This comment is never closed with --}}.", start, start + 2)
                return len(template)
            text = template[start : comment_end.end()]
            self._add(TemplateTag("comment", start, comment_end.end(), text[2] == "~", text[-3] == "~"))
            return comment_end.end()
        if template.startswith("{{{{", start):
            self._problem("Four braces have no meaning: write {{ and }}.", start, start + 4)
            return start + 4
        closing = "}}}" if template.startswith("{{{", start) else "}}"
        size = len(closing)
        end = template.find(closing, start + size)
        if end < 0:
            words = f"This {'{' * size} is never closed with {closing}. For braces as text, write \\{{{{."
            self._problem(words, start, start + size)
            return len(template)
        body = template[start + size : end]
        before, after = body.startswith("~"), body.endswith("~") and len(body) > 1
        offset = start + size + before
        self._body(body[before : len(body) - after], offset, start, end + size, before, after)
        return end + size

    def _body(self, body: str, offset: int, start: int, end: int, before: bool, after: bool) -> None:
        word = body.strip()
        offset += len(body) - len(body.lstrip())
        if word.startswith("!"):
            self._add(TemplateTag("comment", start, end, before, after))
        elif word.startswith("#"):
            self._open(word, offset, start, end, before, after)
        elif word.startswith("/"):
            self._close(word[1:].strip(), start, end, before, after)
        elif word == "else" or word == "^" or word.startswith("else "):
            self._else(word, offset, start, end, before, after)
        elif re.match(r"json\s", word):
            inner = word[4:].lstrip()
            reference = self._read(inner, offset + len(word) - len(inner), "json", start, end)
            self._add(TemplateTag("json", start, end, before, after, reference))
        else:
            self._add(TemplateTag("print", start, end, before, after, self._read(word, offset, "print", start, end)))

    def _add(self, tag: TemplateTag) -> None:
        self.tags.append(tag)

    def _open(self, word: str, offset: int, start: int, end: int, before: bool, after: bool) -> None:
        name, _, rest = word[1:].strip().partition(" ")
        inner = rest.strip()
        if name not in ("if", "each"):
            self._problem(f"There is no block `{name}`: use {{{{#if}}}} or {{{{#each}}}}.", start, end)
            self.blocks.append(TemplateTag("if", start, end, block=name))
            return
        kind: Literal["if", "each"] = "if" if name == "if" else "each"
        place = offset + word.rindex(inner) if inner else offset
        reference = self._read(inner, place, kind, start, end)
        tag = TemplateTag(kind, start, end, before, after, reference, block=name)
        self._add(tag)
        self.blocks.append(tag)
        if len(self.blocks) > MAX_BLOCK_DEPTH:
            self._problem(f"Blocks may be nested {MAX_BLOCK_DEPTH} deep.", start, end)

    def _close(self, name: str, start: int, end: int, before: bool, after: bool) -> None:
        if not self.blocks:
            self._problem(f"`{{{{/{name}}}}}` closes nothing: remove it, or open the block.", start, end)
            return
        block = self.blocks.pop()
        if block.block != name:
            expected = f"`{{{{/{block.block}}}}}` is expected here, not `{{{{/{name}}}}}`."
            self._problem(f"{expected} Close blocks in the order they were opened.", start, end)
        self.body_sizes[block.start] = start - block.end
        self._add(TemplateTag("close", start, end, before, after, block=block.block))

    def _else(self, word: str, offset: int, start: int, end: int, before: bool, after: bool) -> None:
        if not self.blocks:
            self._problem("`{{else}}` stands outside of {{#if}} and {{#each}}.", start, end)
            return
        if word in ("else", "^"):
            self._add(TemplateTag("else", start, end, before, after))
            return
        condition = re.match(r"else\s+if\s+", word)
        if condition is None or self.blocks[-1].block != "if":
            self._problem("Write {{else}}, or {{else if reference}} inside {{#if}}.", start, end)
            return
        reference = self._read(word[condition.end() :], offset + condition.end(), "if", start, end)
        self._add(TemplateTag("else_if", start, end, before, after, reference))

    def _read(self, text: str, offset: int, use: Use, start: int, end: int) -> Reference | None:
        """Read a reference, or note what is wrong with it."""
        text = text.strip()
        in_loop = any(block.kind == "each" for block in self.blocks)
        reference = _reference(text, offset, use)
        if reference is None:
            self._problem(_why_not(text), start, end)
            return None
        if reference.root == "this" and not in_loop:
            if reference.bare:
                return replace(reference, root="local")
            self._problem("`this` has a meaning only inside {{#each}}.", start, end)
            return None
        if reference.root == "@" and not in_loop:
            self._problem(f"`{text}` has a meaning only inside {{{{#each}}}}.", start, end)
            return None
        return reference


def _is_escaped(template: str, start: int, since: int) -> bool:
    """Whether exactly one backslash stands before: two are one backslash and a real tag."""
    before = template[max(since, start - 2) : start]
    return before == "\\" or (before.endswith("\\") and not before.endswith("\\\\"))


def _reference(text: str, offset: int, use: Use) -> Reference | None:
    head = HEAD.match(text)
    if head is None:
        return None
    path: list[str] = []
    spans: list[tuple[int, int]] = []
    at = head.end()
    while at < len(text):
        segment = SEGMENT.match(text, at)
        if segment is None:
            return None
        group = "bracketed" if segment["bracketed"] is not None else "plain"
        path.append(segment[group])
        spans.append((offset + segment.start(group), offset + segment.end(group)))
        at = segment.end()
    root, bare = head.group(), False
    if root.startswith("@"):
        if root[1:] not in LOOP_DATA or path:
            return None
        root, path, spans = "@", [root[1:]], [(offset + 1, offset + len(root))]
    elif root in ("this", "."):
        root = "this"
    elif root not in ROOTS:
        # A bare word is a field of the item, as in Handlebars; the caller knows whether there is an item.
        path.insert(0, root)
        spans.insert(0, (offset, offset + len(root)))
        root, bare = "this", True
    return Reference(root, tuple(path), text, offset, offset + len(text), use, tuple(spans), bare)


def _why_not(text: str) -> str:
    if not text:
        return "A reference is missing here, such as {{input.topic}}."
    if text.startswith(">"):
        return "Partials are not part of the format: write the text here."
    if ".." in text:
        return "`..` is not part of the format: write the whole reference, such as {{input.topic}}."
    if text.startswith("@"):
        return f"There is no `{text[:40]}`: inside {{{{#each}}}} there are @index, @key, @first and @last."
    if text.startswith(('"', "'")) or ":" in text:
        return f"`{text[:40]}` is not a reference. For braces as text, write \\{{{{."
    if re.search(r"\s", text):
        return f"`{text[:40]}` is not one reference: only `json` may stand before a reference."
    return f"`{text[:40]}` is not a reference: write one such as input.topic or steps.draft.output."
