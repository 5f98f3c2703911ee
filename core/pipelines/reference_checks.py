"""Whether what a reference names can exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.pipelines.definition import Definition, InputField, LlmStep, Step
from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.kinds.webhook import WebhookStep
from core.pipelines.references import ROOTS, Reference, step_named
from core.pipelines.schemas import may_exist
from core.pipelines.structure import suggestion

Fault = tuple[str, str]
"""Code and message."""

WORDS = {"string": "a text", "integer": "a number", "number": "a number", "boolean": "true or false"}
FIELDS: dict[type, tuple[str, ...]] = {
    WebhookStep: ("status", "headers", "body"),
    HumanReviewStep: ("decision", "output", "comment"),
}
"""Outputs whose fields are fixed."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What can be named in one place: steps by id, names of `map` items, and the steps this place is part of."""

    steps: Mapping[str, Step]
    names: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


class ReferenceCheck:
    """Checks references against what a definition declares, and remembers what was used."""

    def __init__(self, definition: Definition, written_ids: frozenset[str]) -> None:
        self._definition = definition
        self._written_ids = written_ids
        self._used: set[tuple[str, str | None]] = set()

    def is_tolerated(self, name: str) -> bool:
        """Whether a step is written under this name, although the id is not a valid one or it stands elsewhere."""
        return name in self._written_ids

    def use(self, root: str, name: str | None) -> None:
        """Note that something was used in another way than by a reference."""
        self._used.add((root, name))

    def unused(self, root: str, names: Iterable[str]) -> list[str]:
        """Those names that no checked reference used."""
        return [] if (root, None) in self._used else [name for name in names if (root, name) not in self._used]

    def fault(self, reference: Reference, seen: Surroundings, *, secrets: bool = False) -> Fault | None:
        """Why a reference cannot exist, seen from a place; None when it can."""
        name = reference.path[0] if reference.path else None
        if reference.root == "local":
            return self._local(reference, seen)
        self._used.add((reference.root, name))
        if reference.root == "env":
            return _secret(reference, secrets)
        if reference.root == "input":
            return self._input(reference, name)
        if reference.root == "vars":
            return self._variable(reference, name)
        return self._step(reference, seen) if reference.root == "steps" and reference.path else None

    def _local(self, reference: Reference, seen: Surroundings) -> Fault | None:
        if reference.path[0] in seen.names:
            return None
        names = "".join(f", {name}" for name in seen.names)
        words = f"`{reference.text}` names nothing: a reference begins with input, vars or steps{names}."
        hint = suggestion(reference.path[0], (*ROOTS, *seen.names)) or f" Is it {{{{input.{reference.text}}}}}?"
        return "UNKNOWN_REFERENCE", f"{words}{hint}"

    def _input(self, reference: Reference, name: str | None) -> Fault | None:
        fields = self._definition.input.fields
        if name is None:
            return None
        if name not in fields:
            hint = suggestion(name, fields) or " Declare it under `input.schema`."
            return "UNKNOWN_INPUT", f"There is no input `{name}`.{hint}"
        return None if fields[name].file else _scalar_fault(reference, f"The input `{name}`", _words(fields[name]))

    def _variable(self, reference: Reference, name: str | None) -> Fault | None:
        variables = self._definition.variables
        if name is None:
            return None
        if name not in variables:
            hint = suggestion(name, variables) or " Write it under `variables`."
            return "UNKNOWN_VARIABLE", f"There is no variable `{name}`.{hint}"
        return _scalar_fault(reference, f"The variable `{name}`", "a single value")

    def _step(self, reference: Reference, seen: Surroundings) -> Fault | None:
        written = reference.path[0]
        name = step_named(written, self._definition.step_ids) or (written if written in seen.steps else None)
        if name is None:
            if self.is_tolerated(written):
                return None if written not in self._inner_ids() else _hidden(written)
            return "UNKNOWN_STEP", f"There is no step `{written}`.{suggestion(written, tuple(seen.steps))}"
        if name in seen.within:
            return "SELF_REFERENCE", f"`{name}` cannot use its own output: name another step."
        if len(reference.path) == 1:
            return None
        if reference.path[1] != "output":
            right = f"steps.{name}.output"
            message = f"A step has only an `output`: write `{right}` or `{right}.{reference.path[1]}`."
            return "UNKNOWN_REFERENCE", message
        target = seen.steps.get(name)
        return _output_fault(reference, target) if target is not None else None

    def _inner_ids(self) -> frozenset[str]:
        outermost = self._definition.step_ids
        return frozenset(name for name in self._written_ids if self._definition.step(name)) - frozenset(outermost)


def _hidden(name: str) -> Fault:
    return "UNKNOWN_STEP", f"`{name}` stands inside a `map`: outside, use the output of that `map`."


def _secret(reference: Reference, allowed: bool) -> Fault | None:
    if len(reference.path) != 1:
        return "UNKNOWN_REFERENCE", f"`{reference.text}` must name one secret: write {{{{env.NAME}}}}."
    if not allowed:
        where = "a webhook's address, headers and body, and a model's prompts"
        return "SECRET_NOT_ALLOWED", f"A secret cannot be used here: only {where} may use one."
    return None


def _words(field: InputField) -> str:
    return WORDS[field.type]


def _scalar_fault(reference: Reference, what: str, kind: str) -> Fault | None:
    if len(reference.path) > 1:
        return "UNKNOWN_REFERENCE", f"{what} is {kind}: it has no `{reference.path[1]}`."
    if reference.use == "each":
        return "NOT_A_LIST", f"`{{{{#each}}}}` needs a list, but {what[0].lower()}{what[1:]} is {kind}."
    return None


def _output_fault(reference: Reference, target: Step) -> Fault | None:
    """A path into the output of a step that cannot have it."""
    path = reference.path[2:]
    if not target.makes_json:
        if path:
            return (
                "UNKNOWN_REFERENCE",
                f"`{target.id}` makes a text, which has no `{path[0]}`: set its `output_format` to json.",
            )
        if reference.use == "each":
            return "NOT_A_LIST", f"`{{{{#each}}}}` needs a list, but `{target.id}` makes a text."
        return None
    fixed = FIELDS.get(type(target), ())
    if fixed and path and path[0] not in fixed:
        return "UNKNOWN_REFERENCE", f"The output of `{target.id}` has {', '.join(fixed)}, but no `{path[0]}`."
    schema = target.output_schema if isinstance(target, LlmStep) else None
    if schema is not None and not may_exist(schema, path):
        return "UNKNOWN_REFERENCE", f"The `output_schema` of `{target.id}` has no `{'.'.join(path)}`."
    return None
