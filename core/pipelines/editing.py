"""Edits of a definition's text, as the notebook makes them: text in, text out.

Each edit is worked out twice: on the plain values, which says what the result must mean, and on the lines,
which keeps comments and layout. Lines that would mean something else are thrown away, and the text is
written anew from the values. A step is found by its id, also where it stands inside another one.
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
from core.pipelines.naming import places_of_steps, put, rename_inside, value_at, with_names
from core.pipelines.parsing import read_source
from core.pipelines.source import Path, SourceMap
from core.shared.errors import InvalidInput, NotFound
from core.shared.types import JsonValue

Data = dict[str, Any]


def add_step(text: str, step: Mapping[str, JsonValue], *, after: str | None = None, inside: str | None = None) -> str:
    """The text with one more step: after another one, at the end of the steps `inside` one, or at the very end.

    Raises InvalidInput, NotFound.
    """
    text = _count_free(text)
    data, places = _open(text)
    if after is not None:
        place = _place(data, after)
        path, index = place[:-1], _number(place) + 1
    else:
        path = ("steps",) if inside is None else (*_place(data, inside), "steps")
        index = len(_list(data, path))
    taken = set(_ids(data))
    for _, added in places_of_steps({"steps": [step]}):
        if added.get("id") in taken:
            raise InvalidInput("DUPLICATE_ID", f"The id `{added.get('id')}` is taken: choose another.")
    _list(data, path).insert(index, copy.deepcopy(dict(step)))

    def lines() -> Iterator[str | None]:
        blocks = cut(places, path)
        if blocks is not None:
            blocks.bodies.insert(index, block_of(dict(step), blocks.indent))
            blocks.gaps.insert(index - 1 if index else 0, blocks.new_gap())
            yield blocks.text()
        if inside is not None:
            yield from _whole_block(data, places, inside)

    return _settled(text, data, lines)


def move_step(text: str, step_id: str, by: int) -> str:
    """The text with a step moved up (negative) or down by so many places, at most to the end of its list."""
    text = _count_free(text)
    data, places = _open(text)
    place = _place(data, step_id)
    path, index = place[:-1], _number(place)
    steps = _list(data, path)
    target = min(max(index + by, 0), len(steps) - 1)
    if target == index:
        return text
    steps.insert(target, steps.pop(index))

    def lines() -> Iterator[str | None]:
        blocks = cut(places, path)
        if blocks is not None:
            blocks.bodies.insert(target, blocks.bodies.pop(index))
            yield blocks.text()

    return _settled(text, data, lines)


def duplicate_step(text: str, step_id: str, new_id: str | None = None) -> str:
    """The text with a copy of a step behind it, under a new id (`draft_2`); so are the steps inside it."""
    text = _count_free(text)
    data, places = _open(text)
    place = _place(data, step_id)
    path, index = place[:-1], _number(place)
    steps, taken = _list(data, path), list(_ids(data))
    copied = copy.deepcopy(steps[index])
    names: dict[str, str] = {}
    for _, inner in places_of_steps({"steps": [copied]}):
        old = str(inner.get("id"))
        is_itself = old == step_id
        names[old] = _free_id(old, taken) if new_id is None or not is_itself else _checked_id(new_id, taken)
        taken.append(names[old])
    rename_inside(copied, names)
    steps.insert(index + 1, copied)

    def lines() -> Iterator[str | None]:
        for with_comments in (True, False):
            blocks = cut(places, path)
            if blocks is None:
                return
            pattern = rf"""(?m)^([ -]*["']?id["']?:[ \t]+["']?){re.escape(step_id)}(?=["']?[ \t]*(#|$))"""
            same = re.sub(pattern, rf"\g<1>{names[step_id]}", blocks.bodies[index], count=1)
            blocks.bodies.insert(index + 1, same if with_comments else block_of(copied, blocks.indent))
            blocks.gaps.insert(index, blocks.new_gap())
            yield blocks.text()

    return _settled(text, data, lines)


def delete_step(text: str, step_id: str) -> str:
    """The text without a step. What refers to it stays, and is an error that validation shows."""
    text = _count_free(text)
    data, places = _open(text)
    place = _place(data, step_id)
    path, index = place[:-1], _number(place)
    del _list(data, path)[index]

    def lines() -> Iterator[str | None]:
        blocks = cut(places, path)
        if blocks is not None and len(blocks.bodies) > 1:
            del blocks.bodies[index]
            # The gap before goes with the last step, so that what follows the list keeps its own.
            del blocks.gaps[index - 1 if index == len(blocks.bodies) else index]
            yield blocks.text()
        if len(path) > 1:
            yield from _whole_block(data, places, str(value_at(data, path[:-1])["id"]))

    return _settled(text, data, lines)


def set_step_fields(text: str, step_id: str, fields: Mapping[str, JsonValue]) -> str:
    """The text with fields of a step set; None removes a field. Use `rename_step` for the id."""
    for name, value in fields.items():
        data, places = _open(text)
        place = _place(data, step_id)
        step = value_at(data, place)
        if value is None:
            step.pop(name, None)
        else:
            step[name] = copy.deepcopy(value)
        text = _settled(text, data, _field_lines(places, place, name, value, step))
    return text


def set_pipeline_fields(text: str, fields: Mapping[str, JsonValue]) -> str:
    """The text with fields of the pipeline itself set; None removes a field."""
    for name, value in fields.items():
        data, places = _open(text)
        if value is None:
            data.pop(name, None)
        else:
            data[name] = copy.deepcopy(value)

        def lines(places: SourceMap = places, name: str = name, value: JsonValue = value) -> Iterator[str | None]:
            yield with_field(places, (), name, value)

        text = _settled(text, data, lines)
    return text


def rename_step(text: str, step_id: str, new_id: str) -> str:
    """The text with a step renamed, and whatever names it: templates, code, queries, `needs` and jumps alike."""
    data, _ = _open(text)
    _place(data, step_id)
    if new_id == step_id:
        return text
    _checked_id(new_id, _ids(data))
    return _renamed(text, {step_id: new_id}, keep=(), ids=True)


def _field_lines(
    places: SourceMap, place: Path, name: str, value: JsonValue, step: JsonValue
) -> Callable[[], Iterator[str | None]]:
    def lines() -> Iterator[str | None]:
        yield with_field(places, place, name, value)
        blocks = cut(places, place[:-1])
        if blocks is not None:
            blocks.bodies[_number(place)] = block_of(step, blocks.indent)
            yield blocks.text()

    return lines


def _whole_block(data: Data, places: SourceMap, step_id: str) -> Iterator[str | None]:
    """The text with only the lines of one step written anew, for a list inside it that has no lines of its own."""
    place = _place(data, step_id)
    blocks = cut(places, place[:-1])
    if blocks is not None:
        blocks.bodies[_number(place)] = block_of(value_at(data, place), blocks.indent)
        yield blocks.text()


def _count_free(text: str) -> str:
    """The text with `steps.1` written as an id, because the numbers are about to change."""
    data, _ = _open(text)
    numbered = {str(_number(path) + 1): step.get("id") for path, step in places_of_steps(data) if len(path) == 2}
    names = {number: str(name) for number, name in numbered.items() if name is not None}
    return _renamed(text, names, keep=_ids(data), ids=False)


def _renamed(text: str, names: dict[str, str], *, keep: Sequence[str], ids: bool) -> str:
    """The text with steps called otherwise; see `with_names`."""
    data, places = _open(text)
    spans = with_names(data, places, names, keep, ids=ids)

    def lines() -> Iterator[str | None]:
        new = places.text
        for start, end, word in sorted(spans, reverse=True):
            new = new[:start] + word + new[end:]
        yield new

    return _settled(text, data, lines)


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
    steps = data.get("steps")
    return [step.get("id") if isinstance(step, dict) else step for step in (steps if isinstance(steps, list) else [])]


def _list(data: Data, path: Path) -> list[Any]:
    """The steps at a path; an empty list is put where there are none."""
    steps = value_at(data, path)
    if not isinstance(steps, list):
        put(data, path, steps := [])
    return cast(list[Any], value_at(data, path))


def _ids(data: Data) -> tuple[str, ...]:
    return tuple(str(step["id"]) for _, step in places_of_steps(data) if "id" in step)


def _place(data: Data, step_id: str) -> Path:
    for path, step in places_of_steps(data):
        if str(step.get("id")) == step_id:
            return path
    raise NotFound("UNKNOWN_STEP", f"There is no step `{step_id}` in the text.")


def _number(place: Path) -> int:
    """Which in its list a step is."""
    return cast(int, place[-1])


def _checked_id(new_id: str, taken: Sequence[str]) -> str:
    if not re.fullmatch(STEP_ID_PATTERN, new_id) or len(new_id) > 100 or new_id.endswith("\n"):
        raise InvalidInput("INVALID_ID", f"`{new_id[:40]}` cannot be an id: use a-z, 0-9 and `_`.")
    if new_id in taken:
        raise InvalidInput("DUPLICATE_ID", f"The id `{new_id}` is taken: choose another.")
    return new_id


def _free_id(step_id: str, taken: Sequence[str]) -> str:
    stem = re.sub(r"_\d+$", "", step_id) or step_id
    return next(name for number in range(2, len(taken) + 3) if (name := f"{stem}_{number}") not in taken)
