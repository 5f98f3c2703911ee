"""Personal data that a run of the notebook would send, as far as it is known before: for its person's own eyes.

Looked at are the inputs, the prompts as they are written, and the outputs that stand in for steps; not what steps yet
have to make. The run itself looks at every call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.accounts.domain import Account, Screening
from core.execution.domain import Mode, NotebookView
from core.execution.first_use import providers_used, wanted_cells
from core.pipelines.definition import Definition, LlmStep, walk_steps, with_agent_defaults
from core.pipelines.personal_data import screening_of
from core.pipelines.templates import print_value
from core.platform.runtime import Runtime
from core.shared.personal_data import Finding, count_kinds, find
from core.shared.types import JsonValue

MOST = 50_000
"""Characters that are looked at of each text: about five milliseconds."""


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """Where something was found: an input, a prompt or an output, by its name; and what, in the text as it is there."""

    kind: str
    name: str
    text: str
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How much of each kind."""
        return count_kinds(self.findings)


@dataclass(frozen=True, slots=True)
class FoundBefore:
    """What would be sent, what becomes of it (off, warn, mask or block), and to which providers."""

    screening: Screening = "off"
    places: tuple[FoundPlace, ...] = ()
    providers: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How much of each kind in all places."""
        return count_kinds(finding for place in self.places for finding in place.findings)

    @property
    def signs(self) -> frozenset[str]:
        """What was found where, to know whether it was said before."""
        return frozenset(f"{place.kind}:{place.name}:{kind}" for place in self.places for kind in place.counts)


def found_before(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    view: NotebookView,
    input_data: Mapping[str, JsonValue],
    mode: Mode = "stale",
    step_id: str | None = None,
) -> FoundBefore:
    """What running these cells would send to a provider. Nothing where only the demo model is called."""
    definition = view.definition
    if definition is None:
        return FoundBefore()
    wanted = wanted_cells(view, mode, step_id)
    providers = providers_used(runtime, definition, {}, wanted)
    screening = screening_of(runtime, owner, pipeline_id)
    if not providers or screening == "off":
        return FoundBefore(screening)
    places = (
        FoundPlace(kind, name, text[:MOST], find(text[:MOST]))
        for kind, name, text in _texts(definition, view, input_data, wanted)
    )
    return FoundBefore(screening, tuple(place for place in places if place.findings), tuple(sorted(providers)))


def _texts(
    definition: Definition, view: NotebookView, input_data: Mapping[str, JsonValue], wanted: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    for name, value in input_data.items():
        field = definition.input.fields.get(name)
        if value is not None and not (field is not None and field.file):
            yield "input", name, print_value(value)
    for _, step in walk_steps(tuple(step for step in definition.steps if step.id in wanted)):
        if isinstance(step, LlmStep):
            full = with_agent_defaults(step, definition)
            yield "prompt", step.id, "\n".join(filter(None, (full.system_prompt, full.prompt)))
    for cell in view.cells:
        if cell.step_id not in wanted and cell.state == "fresh" and cell.step_run is not None:
            yield "output", cell.step_id, print_value(cell.step_run.parsed_output)
