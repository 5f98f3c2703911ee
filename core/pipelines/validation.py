"""Everything that is wrong with a definition, all at once, each at its place.

`parsing` knows the form; here is what it means: names that exist, circles, models, expressions, schemas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from core.accounts.plans import PLANS, check_automation, check_steps
from core.pipelines.cron import schedule_problems
from core.pipelines.definition import Definition, LlmStep, Step, TransformStep, map_steps, resolve_models, walk_steps
from core.pipelines.expressions import check_expression
from core.pipelines.flow_checks import jump_faults, unreachable
from core.pipelines.graph import NAMED_IN_CODE, cycles, list_dependencies, owners, together_dependencies
from core.pipelines.inputs import declared_problems
from core.pipelines.kinds.base import END, Written
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.parsing import Parsed, Source, parse
from core.pipelines.patterns import group_names, pattern_problem
from core.pipelines.reference_checks import ReferenceCheck, Surroundings
from core.pipelines.references import normalise, read_template, step_named, value_template
from core.pipelines.schemas import check_schema
from core.pipelines.source import MAX_ISSUES, Issue, Path, SourceMap
from core.pipelines.structure import suggestion
from core.pipelines.transforms import expression_problem
from core.providers.domain import ModelCard
from core.shared.errors import Forbidden, LimitExceeded
from core.shared.types import JsonValue

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


def validate(
    source: Source,
    *,
    models: ModelLookup,
    plan: str,
    default_model: str,
    secrets: Callable[[], Collection[str]] | None = None,
) -> Validated:
    """Check a definition, within what a plan allows. Never raises for what the source holds.

    `secrets` gives the names of those that exist, and is asked only when some are used.
    """
    parsed = parse(source)
    issues = list(parsed.issues)
    if parsed.partial is not None:
        check = _Check(parsed, parsed.partial, models, plan, default_model, secrets)
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

    def changed(step: Step) -> Step:
        renamed = {
            written.path: new
            for written in step.written()
            if written.reading in ("text", "value", "reference")
            and (new := named(written.text) if written.reading == "reference" else normalise(written.text, ids))
            != written.text
        }
        return _with_texts(step, renamed) if renamed else step

    output = definition.output
    if output.from_ is not None and named(output.from_) != output.from_:
        output = output.model_copy(update={"from_": named(output.from_)})
    return definition.model_copy(update={"steps": map_steps(definition.steps, changed), "output": output})


def _with_texts(step: Step, texts: dict[Path, str]) -> Step:
    """A step with some of its texts replaced."""
    data = step.model_dump(by_alias=True, exclude_unset=True)
    for path, text in texts.items():
        parent: Any = data
        for part in path[:-1]:
            if isinstance(parent[part], tuple):
                parent[part] = list(parent[part])
            parent = parent[part]
        parent[path[-1]] = text
    return type(step).model_validate(data)


class _Check:
    """One validation: each method yields the issues of one matter."""

    def __init__(
        self,
        parsed: Parsed,
        definition: Definition,
        models: ModelLookup,
        plan: str,
        default_model: str,
        secrets: Callable[[], Collection[str]] | None,
    ) -> None:
        self.secrets = secrets
        self.definition = definition
        self.places: SourceMap = parsed.source_map
        self.models = models
        self.plan = plan
        self.default_model = default_model
        self.references = ReferenceCheck(definition, _written_ids(parsed))

    def issues(self) -> list[Issue]:
        """All of them."""
        matters = (self._limits, self._ids, self._steps, self._output, self._targets, self._schedule)
        found = [issue for matter in (*matters, self._models, self._expressions, self._inputs) for issue in matter()]
        return found + list(self._unused()) + list(self._missing_secrets())

    def _limits(self) -> Iterator[Issue]:
        places = [path for path, _ in walk_steps(self.definition.steps)]
        try:
            check_steps(self.plan, len(places))
        except LimitExceeded as refusal:
            yield self.places.issue(places[PLANS[self.plan].steps], "STEP_LIMIT", refusal.message)

    def _ids(self) -> Iterator[Issue]:
        first: dict[str, int] = {}
        for number, (path, step) in enumerate(walk_steps(self.definition.steps), 1):
            if step.id in first:
                message = f"The id `{step.id}` is taken by step {first[step.id]}: choose another."
                yield self.places.issue((*path, "id"), "DUPLICATE_ID", message)
            elif step.id == END:
                message = "`end` is where jumps go to stop: choose another id."
                yield self.places.issue((*path, "id"), "RESERVED_ID", message)
            first.setdefault(step.id, number)

    def _steps(self) -> Iterator[Issue]:
        yield from self._list(self.definition.steps, ("steps",), Surroundings({}), together=False)

    def _list(self, steps: tuple[Step, ...], path: Path, outer: Surroundings, *, together: bool) -> Iterator[Issue]:
        """The issues of one list of steps: names, circles and jumps, then those of the lists inside."""
        here = {**outer.steps, **{name: found for name in owners(steps) if (found := _find(steps, name)) is not None}}
        seen = Surroundings(here, outer.names, outer.within)
        for index, step in enumerate(steps):
            place: Path = (*path, index)
            inside = Surroundings(here, outer.names, (*outer.within, step.id))
            yield from self._needs(step, place, inside)
            for written in step.written():
                yield from self._written(written, (*place, *written.path), inside)
            if step.inner:
                names = (*outer.names, *step.local_names)
                below = Surroundings(here, names, inside.within)
                yield from self._list(step.inner, (*place, "steps"), below, together=isinstance(step, ParallelStep))
            if isinstance(step, MapStep) and step.as_ in outer.names:
                message = f"`{step.as_}` is the item of the `map` around this one: choose another name."
                yield self.places.issue((*place, "as"), "TAKEN", message)
        numbered = self.definition.step_ids
        waits = together_dependencies(steps, numbered) if together else list_dependencies(steps, numbered)
        yield from self._circles(steps, path, waits, seen)
        for jump_path, code, message in jump_faults(steps, together=together):
            yield self.places.issue((*path, *jump_path), code, message)
        if not together:
            for index, message in unreachable(steps):
                yield self.places.issue((*path, index, "id"), "UNREACHABLE_STEP", message)

    def _needs(self, step: Step, path: Path, seen: Surroundings) -> Iterator[Issue]:
        for number, name in enumerate(step.needs):
            place: Path = (*path, "needs", number)
            if name in seen.within:
                yield self.places.issue(place, "SELF_REFERENCE", f"`{name}` cannot wait for itself: remove it.")
            elif name not in seen.steps and not self.references.is_tolerated(name) and name != "-":
                message = f"There is no step `{name}`.{suggestion(name, tuple(seen.steps))}"
                yield self.places.issue(place, "UNKNOWN_STEP", message)

    def _written(self, written: Written, path: Path, seen: Surroundings) -> Iterator[Issue]:
        """The issues of one field that reads values."""
        if written.reading == "cel":
            yield from self._condition(written, path, seen)
            return
        if written.reading in ("code", "sql"):
            yield from self._named_in_code(written, path, seen)
            return
        template = value_template(written.text) if written.reading == "reference" else written.text
        if template is None:
            name = path[-1]
            message = f"`{name}` must name a value, such as {{{{steps.draft.output}}}} or {{{{input.text}}}}."
            yield self.places.issue(path, "UNKNOWN_REFERENCE", message)
            return
        yield from self._template(path, written.text, template, seen, secrets=written.secrets)

    def _condition(self, written: Written, path: Path, seen: Surroundings) -> Iterator[Issue]:
        """The issues of a CEL condition. Where control goes after a step may depend on what it made itself."""
        check = check_expression(written.text, seen.names)
        if check.problem is not None:
            yield self.places.issue(path, "INVALID_CONDITION", check.problem)
            return
        if "on_condition" in path:
            seen = Surroundings(seen.steps, seen.names, seen.within[:-1])
        for reference in check.references:
            fault = None if reference.root in seen.names else self.references.fault(reference, seen)
            if fault is not None:
                yield self.places.issue(path, *fault)

    def _named_in_code(self, written: Written, path: Path, seen: Surroundings) -> Iterator[Issue]:
        for root, used in _mentions(written):
            self.references.use(root, used)
        if written.reading == "sql":
            return
        for first, second in NAMED_IN_CODE.findall(written.text):
            name = first or second
            if name not in seen.steps and not self.references.is_tolerated(name):
                message = f"There is no step `{name}`.{suggestion(name, tuple(seen.steps))}"
                yield self.places.issue(path, "UNKNOWN_STEP", message)

    def _template(
        self, path: Path, text: str, template: str, seen: Surroundings, *, secrets: bool = False
    ) -> Iterator[Issue]:
        """The issues of one template; `text` is how it was written, which may be a bare reference."""
        parts = read_template(template)
        for problem in parts.problems:
            yield self._within(path, text, problem.start, problem.end, problem.code, problem.message)
        for reference in parts.references:
            fault = self.references.fault(reference, seen, secrets=secrets)
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
        steps = {name: found for name in owners(self.definition.steps) if (found := self.definition.step(name))}
        for issue in self._template(("output", "from"), written, template, Surroundings(steps)):
            code = "UNKNOWN_OUTPUT" if issue.code == "UNKNOWN_STEP" else issue.code
            yield Issue(issue.path, issue.line, issue.column, code, issue.message)

    def _targets(self) -> Iterator[Issue]:
        steps = {name: found for name in owners(self.definition.steps) if (found := self.definition.step(name))}
        for path, target in self.definition.targets:
            for written in target.written():
                yield from self._written(written, (*path, *written.path), Surroundings(steps))

    def _schedule(self) -> Iterator[Issue]:
        """A schedule is written down once and runs unattended: what it would trip over is said now."""
        schedule = self.definition.schedule
        if schedule is None:
            return
        if schedule.enabled:
            try:
                check_automation(self.plan)
            except Forbidden as refusal:
                message = f"{refusal.message} Remove it, or set `enabled: false`."
                yield self.places.issue(("schedule",), "PLAN_LIMIT", message, key=True)
        for field, problem in schedule_problems(schedule.cron, schedule.timezone):
            yield self.places.issue(("schedule", field), problem.code, problem.message)
        fields = self.definition.input.fields
        bare = [f"`{name}`" for name, field in fields.items() if field.required and field.default is None]
        if bare:
            message = (
                f"A schedule has no inputs to give, and {', '.join(bare)} must be given: write a default, or make a "
                "schedule with inputs of its own under Schedules."
            )
            yield self.places.issue(("schedule",), "MISSING_DEFAULT", message, key=True)

    def _circles(
        self, steps: tuple[Step, ...], path: Path, waits: dict[str, frozenset[str]], seen: Surroundings
    ) -> Iterator[Issue]:
        ids = [step.id for step in steps]
        for circle in cycles({name: needed - {name} for name, needed in waits.items()}):
            place: Path = (*path, ids.index(circle[0]), "id")
            shown = " -> ".join(circle)
            message = f"These steps wait for each other in a circle: {shown}. Remove one of the references."
            barrier = next((name for name in circle if (found := seen.steps.get(name)) and found.is_barrier), None)
            if barrier is not None:
                message += (
                    f" (`{barrier}` acts outside or decides, so steps written before it cannot wait for later ones.)"
                )
            yield self.places.issue(place, "CYCLE", message)

    def _models(self) -> Iterator[Issue]:
        chosen: list[tuple[Path, str | None]] = [
            (("agent_defaults", "model"), self.definition.agent_defaults.model),
            (("budget", "downgrade_to"), self.definition.budget.downgrade_to if self.definition.budget else None),
        ]
        for path, step in walk_steps(self.definition.steps):
            if isinstance(step, LlmStep):
                chosen.append(((*path, "model"), step.model))
                chosen += [((*path, "fallback", number), model) for number, model in enumerate(step.fallback)]
        for path, model in chosen:
            if model is not None and self.models.find(model) is None:
                close = self.models.suggest(model)
                hint = f" Did you mean `{close}`?" if close else f" Leave it out to use `{self.default_model}`."
                yield self.places.issue(path, "UNKNOWN_MODEL", f"There is no model `{model}` here.{hint}")
        yield from self._agents()

    def _agents(self) -> Iterator[Issue]:
        """Agents whose model cannot ask for tools."""
        budget = self.definition.budget
        usual = self.definition.agent_defaults.model or self.default_model
        for path, step in walk_steps(self.definition.steps):
            if not isinstance(step, LlmStep) or step.agent is None or not step.agent.tools:
                continue
            chosen: list[tuple[Path, str | None]] = [((*path, "model" if step.model else "agent"), step.model or usual)]
            chosen += [((*path, "fallback", number), model) for number, model in enumerate(step.fallback)]
            chosen.append((("budget", "downgrade_to"), budget.downgrade_to if budget else None))
            for place, model in chosen:
                card = self.models.find(model) if model is not None else None
                if not isinstance(card, ModelCard) or card.tools:
                    continue
                if card.api == "demo":
                    message = "The demo model uses no tools: it answers at once, from the prompt alone."
                    yield self.places.issue(place, "NO_TOOLS", message, severity="warning")
                else:
                    message = f"`{model}` cannot use tools: choose another model, or remove `agent`."
                    yield self.places.issue(place, "NO_TOOLS", message)

    def _expressions(self) -> Iterator[Issue]:
        for path, step in walk_steps(self.definition.steps):
            if isinstance(step, LlmStep):
                for place, message in check_schema(step.output_schema or {}):
                    yield self.places.issue((*path, "output_schema", *place), "INVALID_SCHEMA", message)
            if not isinstance(step, TransformStep):
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

    def _missing_secrets(self) -> Iterator[Issue]:
        names = self.definition.secret_names
        if not names or self.secrets is None:
            return
        for name in sorted(names - set(self.secrets())):
            path = next((path for path, text in self._secret_texts() if f"env.{name}" in text or text == name), ())
            message = f"There is no secret {name} yet: save it before this runs."
            yield self.places.issue(path, "MISSING_SECRET", message, severity="warning")

    def _secret_texts(self) -> Iterator[tuple[Path, str]]:
        for path, step in walk_steps(self.definition.steps):
            yield from (((*path, *written.path), written.text) for written in step.written() if written.secrets)
        for path, target in self.definition.targets:
            yield (*path, "signing_secret_name"), target.signing_secret_name or ""
            yield from (((*path, *written.path), written.text) for written in target.written() if written.secrets)

    def _unused(self) -> Iterator[Issue]:
        for name in self.references.unused("input", self.definition.input.fields):
            message = f"The input `{name}` is used by no step."
            yield self.places.issue(("input", "schema", name), "UNUSED_INPUT", message, key=True, severity="warning")
        for name in self.references.unused("vars", self.definition.variables):
            message = f"The variable `{name}` is used by no step."
            yield self.places.issue(("variables", name), "UNUSED_VARIABLE", message, key=True, severity="warning")


def _written_ids(parsed: Parsed) -> frozenset[str]:
    """The ids as written, also those that are not allowed: references to them are not a second error."""
    return frozenset(_ids_in((parsed.data or {}).get("steps")))


def _ids_in(steps: JsonValue) -> Iterator[str]:
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict):
            yield str(step.get("id"))
            yield from _ids_in(step.get("steps"))


def _find(steps: tuple[Step, ...], name: str) -> Step | None:
    return next((step for _, step in walk_steps(steps) if step.id == name), None)


MENTION = re.compile(r"""\b(input|vars)\b(?:\s*\.\s*(\w+)|\s*\[\s*["'](\w+)["']\s*\])?""")


def _mentions(written: Written) -> Iterator[tuple[str, str | None]]:
    """Inputs and variables that a condition, code or query uses; None: the whole of them."""
    if written.reading == "sql":
        yield from (("input", word) for word in re.findall(r"\w+", written.text))
        return
    for root, plain, quoted in MENTION.findall(written.text):
        yield root, plain or quoted or None
