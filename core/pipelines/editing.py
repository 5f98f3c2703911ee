"""Edits of a definition's text, as the notebook makes them: text in, text out.

Each edit is worked out twice: on the plain values, which says what the result must mean, and on the lines,
which keeps comments and layout. Lines that would mean something else are thrown away, and the text is
written anew from the values.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from core.pipelines.blocks import block_of, cut, with_field
from core.pipelines.definition import STEP_ID_PATTERN
from core.pipelines.dump import dump_definition
from core.pipelines.parsing import read_source
from core.pipelines.references import find_references, parse_reference, replace_segments
from core.pipelines.source import Path, SourceMap
from core.shared.errors import InvalidInput, NotFound
from core.shared.types import JsonValue

Data = dict[str, Any]


def add_step(text: str, step: Mapping[str, JsonValue], *, after: str | None = None) -> str:
    """The text with one more step after another one, or at the end. Raises InvalidInput, NotFound."""
    text = _count_free(text)
    data, places = _open(text)
    index = len(_steps(data)) if after is None else _index(data, after) + 1
    if step.get("id") in _ids(data):
        raise InvalidInput("DUPLICATE_ID", f"The id `{step.get('id')}` is taken: choose another.")
    _steps(data).insert(index, dict(step))

    def lines() -> Iterator[str | None]:
        blocks = cut(places)
        if blocks is not None:
            blocks.bodies.insert(index, block_of(dict(step), blocks.indent))
            blocks.gaps.insert(index - 1 if index else 0, blocks.new_gap())
            yield blocks.text()

    return _settled(text, data, lines)


def move_step(text: str, step_id: str, by: int) -> str:
    """The text with a step moved up (negative) or down by so many places, at most to the end."""
    text = _count_free(text)
    data, places = _open(text)
    steps, index = _steps(data), _index(data, step_id)
    target = min(max(index + by, 0), len(steps) - 1)
    if target == index:
        return text
    steps.insert(target, steps.pop(index))

    def lines() -> Iterator[str | None]:
        blocks = cut(places)
        if blocks is not None:
            blocks.bodies.insert(target, blocks.bodies.pop(index))
            yield blocks.text()

    return _settled(text, data, lines)


def duplicate_step(text: str, step_id: str, new_id: str | None = None) -> str:
    """The text with a copy of a step behind it, under a new id (`draft_2`)."""
    text = _count_free(text)
    data, places = _open(text)
    steps, index = _steps(data), _index(data, step_id)
    copied_id = _free_id(step_id, _ids(data)) if new_id is None else _checked_id(new_id, _ids(data))
    steps.insert(index + 1, {**copy.deepcopy(steps[index]), "id": copied_id})

    def lines() -> Iterator[str | None]:
        blocks = cut(places)
        if blocks is not None:
            pattern = rf"""(?m)^([ -]*["']?id["']?:[ \t]+["']?){re.escape(step_id)}(?=["']?[ \t]*(#|$))"""
            body = re.sub(pattern, rf"\g<1>{copied_id}", blocks.bodies[index], count=1)
            blocks.bodies.insert(index + 1, body)
            blocks.gaps.insert(index, blocks.new_gap())
            yield blocks.text()

    return _settled(text, data, lines)


def delete_step(text: str, step_id: str) -> str:
    """The text without a step. What refers to it stays, and is an error that validation shows."""
    text = _count_free(text)
    data, places = _open(text)
    index = _index(data, step_id)
    del _steps(data)[index]

    def lines() -> Iterator[str | None]:
        blocks = cut(places)
        if blocks is not None and len(blocks.bodies) > 1:
            del blocks.bodies[index]
            # The gap before goes with the last step, so that what follows the list keeps its own.
            del blocks.gaps[index - 1 if index == len(blocks.bodies) else index]
            yield blocks.text()

    return _settled(text, data, lines)


def set_step_fields(text: str, step_id: str, fields: Mapping[str, JsonValue]) -> str:
    """The text with fields of a step set; None removes a field. Use `rename_step` for the id."""
    for name, value in fields.items():
        data, places = _open(text)
        index = _index(data, step_id)
        step = _steps(data)[index]
        if value is None:
            step.pop(name, None)
        else:
            step[name] = copy.deepcopy(value)
        text = _settled(text, data, _field_lines(places, index, name, value, step))
    return text


def rename_step(text: str, step_id: str, new_id: str) -> str:
    """The text with a step renamed, and every reference to it, in templates, `needs` and `from` alike."""
    data, _ = _open(text)
    index = _index(data, step_id)
    if new_id == step_id:
        return text
    _checked_id(new_id, _ids(data))
    return _renamed(text, {step_id: new_id}, keep=(), ids=index)


def _field_lines(
    places: SourceMap, index: int, name: str, value: JsonValue, step: JsonValue
) -> Callable[[], Iterator[str | None]]:
    def lines() -> Iterator[str | None]:
        yield with_field(places, index, name, value)
        blocks = cut(places)
        if blocks is not None:
            blocks.bodies[index] = block_of(step, blocks.indent)
            yield blocks.text()

    return lines


def _count_free(text: str) -> str:
    """The text with `steps.1` written as an id, because the numbers are about to change."""
    data, _ = _open(text)
    ids = _ids(data)
    return _renamed(text, {str(number): name for number, name in enumerate(ids, 1)}, keep=ids, ids=None)


def _renamed(text: str, names: dict[str, str], *, keep: Sequence[str], ids: int | None) -> str:
    """The text with references renamed, and the id of the step at `ids`."""
    data, places = _open(text)
    spans: list[tuple[int, int, str]] = []
    for path, value in _template_fields(data):
        _put(data, path, _replaced(path, value, names, keep))
        spans += _spans(places, path, value, names, keep)
    for index, step in enumerate(_steps(data)):
        needs = step.get("needs") if isinstance(step, dict) else None
        for number, name in enumerate(needs if isinstance(needs, list) else []):
            if ids is not None and name in names:
                path = ("steps", index, "needs", number)
                _put(data, path, names[name])
                spans += _word_span(places, path, name, names[name])
    if ids is not None:
        path = ("steps", ids, "id")
        old = str(_steps(data)[ids]["id"])
        _put(data, path, names[old])
        spans += _word_span(places, path, old, names[old])

    def lines() -> Iterator[str | None]:
        new = places.text
        for start, end, word in sorted(spans, reverse=True):
            new = new[:start] + word + new[end:]
        yield new

    return _settled(text, data, lines)


def _template_fields(data: Data) -> Iterator[tuple[Path, str]]:
    paths: list[Path] = [("output", "from")]
    for index in range(len(_steps(data))):
        for names in (("prompt",), ("system_prompt",), ("template",), ("from",), ("regex", "from")):
            paths.append(("steps", index, *names))
    for path in paths:
        value: Any = data
        for part in path:
            inside = isinstance(value, list) if isinstance(part, int) else isinstance(value, dict) and part in value
            value = value[part] if inside else None
        if isinstance(value, str):
            yield path, value


def _replaced(path: Path, value: str, names: dict[str, str], keep: Sequence[str]) -> str:
    if path[-1] != "from" or "{{" in value:
        return replace_segments(value, names, keep)
    bare = value.strip()
    if parse_reference(bare) is not None:
        return replace_segments(f"{{{{{bare}}}}}", names, keep)[2:-2]
    return names[bare] if bare in names and bare not in keep else value


def _spans(
    places: SourceMap, path: Path, value: str, names: dict[str, str], keep: Sequence[str]
) -> list[tuple[int, int, str]]:
    """Where in the text the renamed segments of one template stand."""
    if path[-1] == "from" and "{{" not in value:
        new = _replaced(path, value, names, keep)
        return _word_span(places, path, value, new) if new != value else []
    spans = []
    for reference in find_references(value):
        name = reference.step
        if name is None or name not in names or name in keep:
            continue
        offset = places.offset_within(path, value, reference.start, reference.end)
        if offset is not None:
            start = offset + reference.spans[0][0] - reference.start
            spans.append((start, start + len(name), names[name]))
    return spans


def _word_span(places: SourceMap, path: Path, word: str, new: str) -> list[tuple[int, int, str]]:
    node = places.node(path)
    at = places.text.find(word, node.start, node.end) if node is not None else -1
    return [] if at < 0 else [(at, at + len(word), new)]


def _open(text: str) -> tuple[Data, SourceMap]:
    """The plain values behind a text, and their places. Raises InvalidInput when it cannot be read."""
    if text and not text.endswith("\n"):
        text += "\n"
    data, issues, places = read_source(text)
    if data is None or issues:
        issue = issues[0]
        place = f"Line {issue.line}: " if issue.line else ""
        raise InvalidInput("UNREADABLE", f"{place}{issue.message} Correct the text first, then edit the steps.")
    return cast(Data, copy.deepcopy(data)), places


def _settled(text: str, data: Data, lines: Callable[[], Iterator[str | None]]) -> str:
    """The first proposal that means `data`, else the text written anew."""
    for proposal in lines():
        if proposal is not None:
            read, issues, _ = read_source(proposal)
            if read == data and not issues and _order(read) == _order(data):
                return proposal
    if text.lstrip().startswith("{"):
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return dump_definition(data)


def _order(data: Data) -> list[Any]:
    return [step.get("id") if isinstance(step, dict) else step for step in _steps(data)]


def _steps(data: Data) -> list[Any]:
    steps = data.get("steps")
    if not isinstance(steps, list):
        steps = data["steps"] = []
    return steps


def _ids(data: Data) -> tuple[str, ...]:
    return tuple(str(step["id"]) for step in _steps(data) if isinstance(step, dict) and "id" in step)


def _index(data: Data, step_id: str) -> int:
    for index, step in enumerate(_steps(data)):
        if isinstance(step, dict) and str(step.get("id")) == step_id:
            return index
    raise NotFound("UNKNOWN_STEP", f"There is no step `{step_id}` in the text.")


def _checked_id(new_id: str, taken: Sequence[str]) -> str:
    if not re.fullmatch(STEP_ID_PATTERN, new_id) or len(new_id) > 100 or new_id.endswith("\n"):
        raise InvalidInput("INVALID_ID", f"`{new_id[:40]}` cannot be an id: use a-z, 0-9 and `_`.")
    if new_id in taken:
        raise InvalidInput("DUPLICATE_ID", f"The id `{new_id}` is taken: choose another.")
    return new_id


def _free_id(step_id: str, taken: Sequence[str]) -> str:
    stem = re.sub(r"_\d+$", "", step_id) or step_id
    return next(name for number in range(2, len(taken) + 3) if (name := f"{stem}_{number}") not in taken)


def _put(data: Data, path: Path, value: JsonValue) -> None:
    parent: Any = data
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
