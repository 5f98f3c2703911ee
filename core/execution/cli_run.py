"""Running a file from the command line: in its own process, on behalf of the installation's operator."""

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from core.accounts.queries import get_operator
from core.execution.attachments import read_inputs as read_files
from core.execution.called import called_definitions
from core.execution.commands import run_definition
from core.execution.deliveries import deliver_run
from core.execution.delivery_queries import DeliveryView, deliveries_of_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.funding import funding_of
from core.execution.queries import get_run, run_as_dict
from core.execution.quotes import quote
from core.pipelines.commands import accept
from core.pipelines.definition import Definition, LlmStep, Step, map_steps
from core.pipelines.inputs import check_input, coerce_input
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.providers.domain import NO_PRICE
from core.shared.errors import InvalidInput, ProviderError
from core.shared.money import MICROS
from core.shared.types import JsonValue


def load(runtime: Runtime, file: Path, model: str | None) -> Definition:
    """Read and check a file; with `model`, every llm step uses it. Raises InvalidInput with all details."""
    definition, _ = accept(runtime, get_operator(runtime), file.read_bytes().decode("utf-8", errors="replace"))
    if model is None:
        return definition
    if runtime.catalogue.find(model) is None:
        close = runtime.catalogue.suggest(model)
        raise InvalidInput("UNKNOWN_MODEL", f"There is no model {model}.{f' Did you mean {close}?' if close else ''}")

    def changed(step: Step) -> Step:
        return step.model_copy(update={"model": model}) if isinstance(step, LlmStep) else step

    return definition.model_copy(update={"steps": map_steps(definition.steps, changed)})


def read_inputs(runtime: Runtime, definition: Definition, pairs: list[str], files: list[str]) -> dict[str, JsonValue]:
    """Inputs from `name=value` and files, coerced to their declared types.

    A file is `name=path`, a JSON object, or a text for the first declared string input. An input that is declared
    as a file is stored as the operator's, and deleted with the run like any other.
    """
    texts: dict[str, str] = {}
    given: dict[str, JsonValue] = {}
    for item in files:
        name, separator, path = item.partition("=")
        if separator and name in definition.input.fields:
            if definition.input.fields[name].file:
                with Path(path).open("rb") as content:
                    texts[name] = store_file(runtime, get_operator(runtime).id, Path(path).name, content).id
            else:
                texts[name] = Path(path).read_text()
            continue
        text = Path(item).read_text()
        if item.endswith(".json"):
            given.update(_json_object(item, text))
        else:
            texts[_first_string(definition, item)] = text
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InvalidInput("INVALID_INPUT", f"Write inputs as name=value; {pair!r} has no =.")
        texts[name] = value
    return {**given, **coerce_input(definition, texts)}


def quoted(runtime: Runtime, definition: Definition, data: dict[str, JsonValue]) -> str:
    """What the run may cost, in a line, as its `total_cost_cents` will count it. The operator pays no credits."""
    operator = get_operator(runtime)
    checked = check_input(definition, data)
    called = called_definitions(runtime, operator.id, definition, None)
    funding = funding_of(runtime, operator, definition, called.values())
    as_if = {provider: "free" if mode == "free" else "platform" for provider, mode in funding.items()}
    if set(as_if.values()) <= {"free"}:
        return "Quoted: 0 cr, at no cost."
    try:
        files, values = read_files(runtime, operator.id, definition, checked)
        found = quote(runtime, operator, definition, values, funding=as_if, files=files, called=called)
    except ProviderError as unknown:
        if unknown.code != NO_PRICE:
            raise
        return "Quoted: 0 cr (own keys); the cost is unknown, because one of its models has no price here."
    value = runtime.prices.current(runtime).rates(operator.plan).credit_value_cents
    low, likely, most = (_cents(each, value) for each in (found.low_micros, found.likely_micros, found.max_micros))
    return f"Quoted: 0 cr (own keys); cost {low} to {most} US cents, likely {likely}."


def _cents(micros: int, value_cents: Decimal) -> str:
    """Micro-credits as US cents, to a ten-thousandth."""
    text = f"{Decimal(micros) * value_cents / MICROS:.4f}"
    return text.rstrip("0").rstrip(".")


async def run_here(
    runtime: Runtime, definition: Definition, data: dict[str, JsonValue], report: Callable[[str], None]
) -> RunView:
    """Run to the end in this process and send what it delivers, reporting the state of each step and delivery."""
    operator = get_operator(runtime)
    worker = f"cli:{os.getpid()}:{runtime.ids.new()[-12:]}"
    run_id = run_definition(runtime, operator, definition, data, lease=worker)
    engine = Engine(runtime, worker)
    try:
        await run_to_end(engine, run_id)
        await deliver_run(runtime, run_id)
    finally:
        engine.close()
        await runtime.providers.aclose()
    finished = get_run(runtime, operator.id, run_id)
    for step in finished.steps:
        took = f" in {step.duration_ms / 1000:.1f} s" if step.duration_ms is not None else ""
        report(f"{step.step_id}: {step.status}{took}" + (f", {step.model}" if step.model else ""))
    for delivery in deliveries_of_run(runtime, operator.id, run_id):
        report(_said_of(delivery))
    return finished


def _said_of(delivery: DeliveryView) -> str:
    named = f"{delivery.target} ({delivery.kind})"
    if delivery.status == "pending":
        return f"{named}: not sent ({delivery.error_code}); it will be tried again by a server on this data"
    return f"{named}: {delivery.status}" + (f" ({delivery.error_code})" if delivery.error_code else "")


def show(run: RunView, *, as_json: bool) -> str:
    """The run as JSON, or only its output."""
    if as_json:
        return json.dumps(run_as_dict(run), ensure_ascii=False, indent=2)
    if run.output_data is None:
        return ""
    return (
        run.output_data
        if isinstance(run.output_data, str)
        else json.dumps(run.output_data, ensure_ascii=False, indent=2)
    )


def _json_object(name: str, text: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput("INVALID_INPUT", f"{name} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidInput("INVALID_INPUT", f"{name} must hold a JSON object of inputs.")
    return value


def _first_string(definition: Definition, file: str) -> str:
    for name, field in definition.input.fields.items():
        if field.type == "string":
            return name
    raise InvalidInput("INVALID_INPUT", f"The pipeline has no text input to put {file} into.")
