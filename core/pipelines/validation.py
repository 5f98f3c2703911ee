"""Everything that is wrong with a definition, all at once, each at its place.

`parsing` knows the form; here is what it means: names that exist, circles, models, expressions, schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from core.pipelines.definition import Definition, LlmStep, TransformStep, resolve_models
from core.pipelines.graph import cycles, dependencies, is_value_field, step_fields
from core.pipelines.inputs import declared_problems
from core.pipelines.parsing import Parsed, Source, parse
from core.pipelines.patterns import group_names, pattern_problem
from core.pipelines.reference_checks import ReferenceCheck
from core.pipelines.references import normalise, read_template, step_named, value_template
from core.pipelines.schemas import check_schema
from core.pipelines.source import MAX_ISSUES, Issue, Path, SourceMap
from core.pipelines.structure import suggestion
from core.pipelines.transforms import expression_problem

__all__ = ["Issue", "ModelLookup", "Validated", "resolve_models", "validate"]


class ModelLookup(Protocol):
    """What validation needs to know of models."""

    def find(self, model_id: str, /) -> object | None:
        """The model, or None when there is none of this id."""

    def suggest(self, model_id: str, /) -> str | None:
        """A known id that looks like this one, or None."""


@dataclass(frozen=True, slots=True)
class Validated:
    """The definition, with `steps.1` written as ids, when there are no errors; else None."""

    definition: Definition | None
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        """Whether it may be saved and run."""
        return not self.errors


def validate(source: Source, *, models: ModelLookup, step_limit: int, default_model: str) -> Validated:
    """Check a definition within a plan's number of steps. Never raises for what the source holds."""
    parsed = parse(source)
    issues = list(parsed.issues)
    if parsed.partial is not None:
        check = _Check(parsed, parsed.partial, models, step_limit, default_model)
        issues += check.issues()
    issues.sort(key=lambda issue: (issue.line or 0, issue.column or 0))
    issues = list(dict.fromkeys(issues))
    errors = tuple(issue for issue in issues if issue.severity == "error")[:MAX_ISSUES]
    warnings = tuple(issue for issue in issues if issue.severity == "warning")[:MAX_ISSUES]
    definition = None if errors or parsed.definition is None else with_step_ids(parsed.definition)
    return Validated(definition, errors, warnings)


def with_step_ids(definition: Definition) -> Definition:
    """The same definition with steps named by id wherever they were counted (`steps.1`)."""
    ids = definition.step_ids

    def named(text: str) -> str:
        return normalise(text, ids) if "{{" in text else step_named(text.strip(), ids) or _bare(text)

    def _bare(text: str) -> str:
        template = value_template(text)
        return text if template is None else normalise(template, ids)[2:-2]

    steps = tuple(_renamed(step, lambda text: normalise(text, ids), named) for step in definition.steps)
    output = definition.output
    if output.from_ is not None and named(output.from_) != output.from_:
        output = output.model_copy(update={"from_": named(output.from_)})
    return definition.model_copy(update={"steps": steps, "output": output})


def _renamed(
    step: LlmStep | TransformStep, text: Callable[[str], str], value: Callable[[str], str]
) -> LlmStep | TransformStep:
    changed: dict[str, object] = {}
    for path, written in step_fields(step):
        new = value(written) if is_value_field(path) else text(written)
        if new == written:
            continue
        if path == ("regex", "from") and isinstance(step, TransformStep) and step.regex is not None:
            changed["regex"] = step.regex.model_copy(update={"from_": new})
        else:
            changed["from_" if path == ("from",) else str(path[0])] = new
    return step.model_copy(update=changed) if changed else step


class _Check:
    """One validation: each method yields the issues of one matter."""

    def __init__(
        self, parsed: Parsed, definition: Definition, models: ModelLookup, step_limit: int, default_model: str
    ) -> None:
        self.definition = definition
        self.places: SourceMap = parsed.source_map
        self.models = models
        self.step_limit = step_limit
        self.default_model = default_model
        self.references = ReferenceCheck(definition, _written_ids(parsed))

    def issues(self) -> list[Issue]:
        """All of them."""
        matters = (self._limits, self._ids, self._needs, self._templates, self._output, self._circles)
        found = [issue for matter in (*matters, self._models, self._expressions, self._inputs) for issue in matter()]
        return found + list(self._unused())

    def _limits(self) -> Iterator[Issue]:
        count = len(self.definition.steps)
        if count > self.step_limit:
            allowed = f"Your plan allows {self.step_limit} steps"
            message = f"{allowed}; this has {count}. Merge steps, or choose a plan with more."
            yield self.places.issue(("steps", self.step_limit), "STEP_LIMIT", message)

    def _ids(self) -> Iterator[Issue]:
        first: dict[str, int] = {}
        for index, step in enumerate(self.definition.steps):
            if step.id in first:
                message = f"The id `{step.id}` is taken by step {first[step.id] + 1}: choose another."
                yield self.places.issue(("steps", index, "id"), "DUPLICATE_ID", message)
            first.setdefault(step.id, index)

    def _needs(self) -> Iterator[Issue]:
        known = self.definition.step_ids
        for index, step in enumerate(self.definition.steps):
            for number, name in enumerate(step.needs):
                path: Path = ("steps", index, "needs", number)
                if name == step.id:
                    yield self.places.issue(path, "SELF_REFERENCE", f"`{name}` cannot wait for itself: remove it.")
                elif name not in known and not self.references.is_tolerated(name) and name != "-":
                    message = f"There is no step `{name}`.{suggestion(name, known)}"
                    yield self.places.issue(path, "UNKNOWN_STEP", message)

    def _templates(self) -> Iterator[Issue]:
        for index, step in enumerate(self.definition.steps):
            for path, text in step_fields(step):
                where: Path = ("steps", index, *path)
                if not is_value_field(path):
                    yield from self._template(where, text, text, step)
                    continue
                template = value_template(text)
                if template is None:
                    message = "`from` must name a value, such as {{steps.draft.output}} or {{input.text}}."
                    yield self.places.issue(where, "UNKNOWN_REFERENCE", message)
                else:
                    yield from self._template(where, text, template, step)

    def _template(self, path: Path, text: str, template: str, step: LlmStep | TransformStep | None) -> Iterator[Issue]:
        """The issues of one template; `text` is how it was written, which may be a bare reference."""
        parts = read_template(template)
        for problem in parts.problems:
            yield self._within(path, text, problem.start, problem.end, problem.code, problem.message)
        for reference in parts.references:
            fault = self.references.fault(reference, step)
            if fault is not None:
                yield self._within(path, text, reference.start, reference.end, *fault)

    def _within(self, path: Path, text: str, start: int, end: int, code: str, message: str) -> Issue:
        issue = self.places.issue(path, code, message)
        if "{{" not in text:
            return issue
        line, column = self.places.locate_within(path, text, start, end)
        return Issue(issue.path, line, column, code, message)

    def _output(self) -> Iterator[Issue]:
        written = self.definition.output.from_
        if written is None:
            return
        template = value_template(written)
        if template is None:
            message = f"`{written[:40]}` is no step and no reference: write a step id or {{{{steps.ID.output}}}}."
            yield self.places.issue(("output", "from"), "UNKNOWN_OUTPUT", message)
            return
        for issue in self._template(("output", "from"), written, template, None):
            code = "UNKNOWN_OUTPUT" if issue.code == "UNKNOWN_STEP" else issue.code
            yield Issue(issue.path, issue.line, issue.column, code, issue.message)

    def _circles(self) -> Iterator[Issue]:
        waits = {step: needed - {step} for step, needed in dependencies(self.definition).items()}
        for circle in cycles(waits):
            path: Path = ("steps", self.definition.step_ids.index(circle[0]), "id")
            shown = " -> ".join(circle)
            message = f"These steps wait for each other in a circle: {shown}. Remove one of the references."
            yield self.places.issue(path, "CYCLE", message)

    def _models(self) -> Iterator[Issue]:
        chosen: list[tuple[Path, str | None]] = [
            (("agent_defaults", "model"), self.definition.agent_defaults.model),
            *(
                (("steps", index, "model"), step.model)
                for index, step in enumerate(self.definition.steps)
                if isinstance(step, LlmStep)
            ),
        ]
        for path, model in chosen:
            if model is not None and self.models.find(model) is None:
                close = self.models.suggest(model)
                hint = f" Did you mean `{close}`?" if close else f" Leave it out to use `{self.default_model}`."
                yield self.places.issue(path, "UNKNOWN_MODEL", f"There is no model `{model}` here.{hint}")

    def _expressions(self) -> Iterator[Issue]:
        for index, step in enumerate(self.definition.steps):
            path: Path = ("steps", index)
            if isinstance(step, LlmStep):
                for place, message in check_schema(step.output_schema or {}):
                    yield self.places.issue((*path, "output_schema", *place), "INVALID_SCHEMA", message)
                continue
            if step.extract is not None and (problem := expression_problem(step.extract)) is not None:
                yield self.places.issue((*path, "extract"), "INVALID_JMESPATH", problem)
            if step.regex is not None:
                yield from self._regex((*path, "regex"), step.regex.pattern, step.regex.group)

    def _regex(self, path: Path, pattern: str, group: int | str) -> Iterator[Issue]:
        problem = pattern_problem(pattern)
        if problem is not None:
            yield self.places.issue((*path, "pattern"), "INVALID_REGEX", problem)
            return
        count, names = group_names(pattern)
        if group not in names if isinstance(group, str) else not 0 <= group <= count:
            message = f"The pattern has no group {group}: it has {count}, and 0 is the whole match."
            yield self.places.issue((*path, "group"), "INVALID_REGEX", message)

    def _inputs(self) -> Iterator[Issue]:
        for name, field in self.definition.input.fields.items():
            for place, message in declared_problems(name, field):
                yield self.places.issue(("input", "schema", name, *place), "INVALID_DEFAULT", message)

    def _unused(self) -> Iterator[Issue]:
        for name in self.references.unused("input", self.definition.input.fields):
            message = f"The input `{name}` is used by no step."
            yield self.places.issue(("input", "schema", name), "UNUSED_INPUT", message, key=True, severity="warning")
        for name in self.references.unused("vars", self.definition.variables):
            message = f"The variable `{name}` is used by no step."
            yield self.places.issue(("variables", name), "UNUSED_VARIABLE", message, key=True, severity="warning")


def _written_ids(parsed: Parsed) -> frozenset[str]:
    """The ids as written, also those that are not allowed: references to them are not a second error."""
    steps = (parsed.data or {}).get("steps")
    entries = steps if isinstance(steps, list) else []
    return frozenset(str(step.get("id")) for step in entries if isinstance(step, dict))
