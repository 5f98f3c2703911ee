"""Whether what a reference names can exist."""

from __future__ import annotations

from collections.abc import Iterable

from core.pipelines.definition import Definition, LlmStep, TransformStep
from core.pipelines.references import Reference, step_named
from core.pipelines.schemas import may_exist
from core.pipelines.structure import suggestion

Fault = tuple[str, str]
"""Code and message."""

WORDS = {"string": "a text", "integer": "a number", "number": "a number", "boolean": "true or false"}


class ReferenceCheck:
    """Checks references against what a definition declares, and remembers what was used."""

    def __init__(self, definition: Definition, written_ids: frozenset[str]) -> None:
        self._definition = definition
        self._written_ids = written_ids
        self._used: set[tuple[str, str | None]] = set()

    def is_tolerated(self, name: str) -> bool:
        """Whether a step is written under this name, although the id is not a valid one."""
        return name in self._written_ids

    def unused(self, root: str, names: Iterable[str]) -> list[str]:
        """Those names that no checked reference used."""
        return [] if (root, None) in self._used else [name for name in names if (root, name) not in self._used]

    def fault(self, reference: Reference, step: LlmStep | TransformStep | None) -> Fault | None:
        """Why a reference cannot exist, seen from a step (None: from the output); None when it can."""
        name = reference.path[0] if reference.path else None
        self._used.add((reference.root, name))
        if reference.root == "env":
            return "NOT_SUPPORTED_YET", f"`{reference.text}`: secrets (`env`) are not supported yet."
        if reference.root == "input":
            return self._input(reference, name)
        if reference.root == "vars":
            return self._variable(reference, name)
        return self._step(reference, step) if reference.root == "steps" and reference.path else None

    def _input(self, reference: Reference, name: str | None) -> Fault | None:
        fields = self._definition.input.fields
        if name is None:
            return None
        if name not in fields:
            hint = suggestion(name, fields) or " Declare it under `input.schema`."
            return "UNKNOWN_INPUT", f"There is no input `{name}`.{hint}"
        return _scalar_fault(reference, f"The input `{name}`", WORDS[fields[name].type])

    def _variable(self, reference: Reference, name: str | None) -> Fault | None:
        variables = self._definition.variables
        if name is None:
            return None
        if name not in variables:
            hint = suggestion(name, variables) or " Write it under `variables`."
            return "UNKNOWN_VARIABLE", f"There is no variable `{name}`.{hint}"
        return _scalar_fault(reference, f"The variable `{name}`", "a single value")

    def _step(self, reference: Reference, step: LlmStep | TransformStep | None) -> Fault | None:
        ids = self._definition.step_ids
        written = reference.path[0]
        name = step_named(written, ids)
        if name is None:
            if self.is_tolerated(written):
                return None
            return "UNKNOWN_STEP", f"There is no step `{written}`.{suggestion(written, ids)}"
        if step is not None and name == step.id:
            return "SELF_REFERENCE", f"`{name}` cannot use its own output: name another step."
        if len(reference.path) == 1:
            return None
        if reference.path[1] != "output":
            right = f"steps.{name}.output"
            message = f"A step has only an `output`: write `{right}` or `{right}.{reference.path[1]}`."
            return "UNKNOWN_REFERENCE", message
        target = self._definition.step(name)
        return _output_fault(reference, target) if target is not None else None


def _scalar_fault(reference: Reference, what: str, kind: str) -> Fault | None:
    if len(reference.path) > 1:
        return "UNKNOWN_REFERENCE", f"{what} is {kind}: it has no `{reference.path[1]}`."
    if reference.use == "each":
        return "NOT_A_LIST", f"`{{{{#each}}}}` needs a list, but {what[0].lower()}{what[1:]} is {kind}."
    return None


def _output_fault(reference: Reference, target: LlmStep | TransformStep) -> Fault | None:
    """A path into the output of a step that cannot have it."""
    path = reference.path[2:]
    if not _makes_json(target):
        if path:
            return (
                "UNKNOWN_REFERENCE",
                f"`{target.id}` makes a text, which has no `{path[0]}`: set its `output_format` to json.",
            )
        if reference.use == "each":
            return "NOT_A_LIST", f"`{{{{#each}}}}` needs a list, but `{target.id}` makes a text."
        return None
    schema = target.output_schema if isinstance(target, LlmStep) else None
    if schema is not None and not may_exist(schema, path):
        return "UNKNOWN_REFERENCE", f"The `output_schema` of `{target.id}` has no `{'.'.join(path)}`."
    return None


def _makes_json(step: LlmStep | TransformStep) -> bool:
    if isinstance(step, LlmStep):
        return step.wants_json
    return step.output_format == "json" or (step.extract is not None and step.output_format is None)
