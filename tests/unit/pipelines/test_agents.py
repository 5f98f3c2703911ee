"""Agents in a definition: what is accepted, and what is an error before anything runs."""

from dataclasses import replace
from typing import Any

import pytest

from core.execution.preparation import most_micros, turn_bounds
from core.pipelines.definition import Definition, LlmStep
from core.pipelines.kinds.llm import Agent
from core.pipelines.validation import validate
from core.providers.catalogue import Catalogue
from core.providers.domain import ModelCard, ProviderConfig
from tests.unit.pipelines.models import check, only_error

CATALOGUE = Catalogue(ProviderConfig("sk", None, "sk"))


def source(agent: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "x", "version": 1, "steps": [{"id": "look", "prompt": "Look.", "agent": agent, **more}]}


@pytest.mark.parametrize("entry", ["https://example.org", "a b", "*.1.2.3.4", "example.org/path", "*"])
def test_an_entry_of_the_list_is_a_host(entry: str) -> None:
    error = only_error(source({"tools": ["curl"], "network_allowlist": ["ok.example.org", entry]}))
    assert error.path == "steps[0].agent.network_allowlist[1]"
    assert repr(entry) in error.message and ".." not in error.message


def test_hosts_wildcards_and_addresses_are_accepted() -> None:
    hosts = ["api.example.org", "*.example.org", "203.0.113.7", "2001:db8::1", "bücher.example"]
    assert check(source({"tools": ["http_request"], "network_allowlist": hosts})).errors == ()


def test_a_list_without_a_tool_that_acts_outside_is_an_error() -> None:
    assert only_error(source({"tools": ["extract_json"], "network_allowlist": ["a.example"]})).code == "NO_EFFECT"


@pytest.mark.parametrize(
    ("agent", "errors"),
    [
        ({"tools": ["curl"]}, ["NO_EFFECT"]),
        ({"tools": ["curl"], "network_allowlist": ["a.example"]}, []),
        ({"tools": ["extract_json"]}, []),
    ],
)
def test_a_secret_of_an_agent_that_acts_outside_needs_hosts(agent: dict[str, Any], errors: list[str]) -> None:
    assert [issue.code for issue in check(source(agent, prompt="Use {{env.KEY}}")).errors] == errors


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"model": "o1-mini"}, "steps[0].model"),
        ({"model": "claude-sonnet-4-5", "fallback": ["o1-mini"]}, "steps[0].fallback[0]"),
    ],
)
def test_a_model_that_cannot_use_tools_is_an_error(more: dict[str, Any], path: str) -> None:
    checked = validate(source({"tools": ["curl"]}, **more), models=CATALOGUE, plan="free", default_model="demo")
    (error,) = checked.errors
    assert (error.code, error.path) == ("NO_TOOLS", path)


def test_the_demo_model_is_a_warning_also_as_the_default() -> None:
    checked = validate(source({"tools": ["curl"]}), models=CATALOGUE, plan="free", default_model="demo")
    assert checked.errors == ()
    (warning,) = checked.warnings
    assert (warning.code, warning.path) == ("NO_TOOLS", "steps[0].agent")


def test_which_agents_act_outside() -> None:
    def acts(*tools: str) -> bool:
        return LlmStep.model_validate({"id": "a", "prompt": "x", "agent": {"tools": tools}}).is_barrier

    assert acts("curl") and acts("extract_json", "http_request") and not acts("extract_json", "template_render")


def card() -> ModelCard:
    found = CATALOGUE.find("claude-sonnet-4-5")
    assert found is not None
    return found


def test_turns_read_what_was_said_before_and_never_more_than_the_model_can() -> None:
    agent = Agent.model_validate({"tools": ["curl"], "max_turns": 3, "max_tool_calls": 2})
    bounds = turn_bounds(card(), agent, 1_000, 500, repairs=False)
    assert len(bounds) == 3 and bounds[0] == 1_000
    assert bounds[1] > 1_000 + 500 + 2 * 16_000 and bounds[2] >= bounds[1] + 500
    assert len(turn_bounds(card(), agent, 1_000, 500, repairs=True)) == 4
    small = replace(card(), context_tokens=2_000)
    assert turn_bounds(small, agent, 1_000, 500, repairs=False) == [1_000, 2_000, 2_000]
    alone = Agent.model_validate({"tools": [], "max_turns": 3})
    assert turn_bounds(card(), alone, 1_000, 500, repairs=False) == [1_000]


def test_what_is_held_grows_with_each_limit() -> None:
    def held(**limits: int) -> int:
        agent = Agent.model_validate({"tools": ["curl"], "max_turns": 3, "max_tool_calls": 2, **limits})
        return most_micros(CATALOGUE, card(), "starter", 1_000, 500, repairs=False, agent=agent)

    plain = most_micros(CATALOGUE, card(), "starter", 1_000, 500, repairs=False)
    assert plain == held(max_turns=1) < held() < held(max_turns=4)
    assert held() < held(max_tool_calls=3)


def test_a_definition_keeps_whether_a_timeout_was_written() -> None:
    written = Definition.model_validate(source({"tools": ["curl"]}, timeout_seconds=60))
    plain = Definition.model_validate(source({"tools": ["curl"]}))
    assert ["timeout_seconds" in each.llm_steps[0].model_fields_set for each in (written, plain)] == [True, False]
