"""`map`: the same steps for each item of a list, some at a time."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from core.execution.attachments import marks_of, rows_of
from core.execution.kinds.port import Item, Nested, Prepared, StepContext
from core.execution.preparation import fingerprint
from core.pipelines.kinds.map import MAX_ITEMS, MapStep
from core.pipelines.kinds.transform import TransformStep
from core.pipelines.outputs import OutputMismatch, read_json
from core.pipelines.references import exact_reference, value_template
from core.pipelines.templates import resolve_value, type_name
from core.pipelines.transforms import run_transform
from core.platform.files.domain import TABULAR, FileView
from core.shared.errors import AppError, InvalidInput
from core.shared.types import JsonValue


def prepare(context: StepContext) -> Prepared:
    """The items, each seeing itself under the name of `as`. Raises InvalidInput NOT_A_LIST, TOO_MANY_ITEMS."""
    step: MapStep = context.step
    file = _named_file(step, context)
    items: list[JsonValue] = items_of(step, context.scope) if file is None else [*rows_of(context.runtime, file)]
    inner: list[JsonValue] = [each.model_dump(mode="json", by_alias=True, exclude_unset=True) for each in step.steps]
    mark = None
    if not step.is_barrier:
        mark = fingerprint(context.hash_, ["map", items, step.as_, inner, context.scope, marks_of(context.files)])

    def item(index: int) -> Item:
        return Item(context.definition, step.steps, {**context.scope, step.as_: items[index]}, context.files)

    def result(_item: Item, outputs: Mapping[str, JsonValue]) -> JsonValue:
        # What a jump went over has no output: the last step that ran speaks for the item.
        ran = (outputs[each.id] for each in reversed(step.steps) if outputs.get(each.id) is not None)
        return next(ran, None)

    def batch(start: int, end: int) -> list[tuple[JsonValue, str | None]]:
        return [_light(step, item(index).base) for index in range(start, end)]

    nested = Nested(
        len(items), step.concurrency, item, result, list, many=True, batch=batch if is_light(step) else None
    )
    return Prepared(nested=nested, fingerprint=mark)


def _named_file(step: MapStep, context: StepContext) -> FileView | None:
    """The file whose rows are the items: `foreach` is the input that it was given as."""
    reference = exact_reference(value_template(step.foreach) or "")
    if reference is None or reference.root != "input" or len(reference.path) != 1:
        return None
    file = context.files.get(reference.path[0])
    return file if file is not None and file.kind in TABULAR else None


def items_of(step: MapStep, scope: Mapping[str, Any]) -> list[JsonValue]:
    """What `foreach` names, as a list; a text may hold one as JSON."""
    value = resolve_value(value_template(step.foreach), scope)
    if isinstance(value, str):
        with suppress(OutputMismatch):
            value = read_json(value)
    if not isinstance(value, list):
        raise InvalidInput("NOT_A_LIST", f"`foreach` of {step.id} needs a list, but it is {type_name(value)}.")
    if len(value) > MAX_ITEMS:
        raise InvalidInput(
            "TOO_MANY_ITEMS", f"`foreach` of {step.id} has {len(value):,} items; {MAX_ITEMS:,} are allowed. Split it."
        )
    return value


def is_light(step: MapStep) -> bool:
    """Whether an item costs so little that journalling it alone would cost more."""
    return all(isinstance(inner, TransformStep) and not inner.on_condition and not inner.needs for inner in step.steps)


def _light(step: MapStep, base: Mapping[str, Any]) -> tuple[JsonValue, str | None]:
    scope = {**base, "steps": dict(base["steps"])}
    output: JsonValue = None
    try:
        for inner in step.steps:
            assert isinstance(inner, TransformStep)
            output = run_transform(inner, scope)
            scope["steps"][inner.id] = {"output": output}
    except AppError as error:
        return None, error.message
    return output, None
