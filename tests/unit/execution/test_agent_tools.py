"""The tools of agents as far as they go without a network: command lines, secrets, texts."""

import json
from typing import Any

import pytest

from core.execution.tools import (
    RESULT_BYTES,
    Fillable,
    ToolContext,
    ToolError,
    fit,
    read_arguments,
    run,
    specs,
)
from core.execution.tools.curl import parse_curl
from core.execution.tools.http import HttpCall
from core.execution.tools.secrets import NotFillable
from core.platform.outbound import Outbound
from core.providers.domain import ToolCall
from core.shared.errors import AppError, InvalidInput

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("curl https://a.example/", HttpCall("https://a.example/")),
        ("curl -sSL 'https://a.example/?q=a b'", HttpCall("https://a.example/?q=a b", follow=True)),
        ("curl -XDELETE --url https://a.example", HttpCall("https://a.example", "DELETE")),
        (
            "curl https://a.example -H 'X-One: 1' --header \"X-Two:2\"",
            HttpCall("https://a.example", headers={"X-One": "1", "X-Two": "2"}),
        ),
        (
            "curl -d a=1 -d b=2 https://a.example",
            HttpCall("https://a.example", "POST", {"Content-Type": FORM}, "a=1&b=2"),
        ),
        (
            "curl -X PUT https://a.example -H 'content-type: text/plain' --data-raw '@home; rm -rf / $(id) `id`'",
            HttpCall("https://a.example", "PUT", {"content-type": "text/plain"}, "@home; rm -rf / $(id) `id`"),
        ),
        (
            "curl https://a.example \\\n  --json '{\"a\": 1}'",
            HttpCall(
                "https://a.example",
                "POST",
                {"Content-Type": "application/json", "Accept": "application/json"},
                '{"a": 1}',
            ),
        ),
        ("curl -I https://a.example", HttpCall("https://a.example", "HEAD", all_headers=True)),
        (
            "curl -u me:pass --max-time 2.5 https://a.example",
            HttpCall("https://a.example", user="me:pass", seconds=2.5),
        ),
    ],
)
def test_a_command_line_is_read_as_curl_reads_it(command: str, expected: HttpCall) -> None:
    assert parse_curl(command) == expected


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("wget https://a.example", "begin with curl"),
        ("", "begin with curl"),
        ("curl", "exactly one address"),
        ("curl https://a.example https://b.example", "exactly one address; it has 2"),
        ("curl https://a.example | jq .", "`|` has no meaning"),
        ("curl https://a.example > /etc/passwd", "`>` has no meaning"),
        ("curl https://a.example && rm x", "`&&` has no meaning"),
        ("curl -o /tmp/x https://a.example", "-o is not supported"),
        ("curl -so /tmp/x https://a.example", "-o is not supported"),
        ("curl --insecure https://a.example", "--insecure is not supported"),
        ("curl -x http://proxy https://a.example", "-x is not supported"),
        ("curl -d @/etc/passwd https://a.example", "There are no files"),
        ("curl --json @/etc/passwd https://a.example", "There are no files"),
        ("curl -d a --json '{}' https://a.example", "not with several"),
        ("curl -I -d a https://a.example", "cannot have a body"),
        ("curl -H novalue https://a.example", "'Name: value'"),
        ("curl -m soon https://a.example", "number of seconds"),
        ("curl -m nan https://a.example", "number of seconds"),
        ("curl -X TRACE https://a.example", "method must be one of"),
        ("curl -u me https://a.example", "name:password"),
        ("curl https://a.example -H", "-H needs a value"),
        ("curl 'https://a.example", "Check its quotes"),
    ],
)
def test_what_is_not_supported_is_an_error_that_says_so(command: str, said: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_curl(command)
    assert said in caught.value.message


class TestSecrets:
    """Filling in."""

    KEY = 'se"cr&et'
    open_to_hosts = Fillable({"KEY": KEY, "BASE": "https://hooks.example/x"}, has_hosts=True)

    def test_each_place_gets_the_value_as_it_needs_it(self) -> None:
        fillable = self.open_to_hosts
        assert fillable.fill("Bearer {{ env.KEY }}") == f"Bearer {self.KEY}"
        assert fillable.fill_url("{{env.BASE}}?k={{env.KEY}}") == "https://hooks.example/x?k=se%22cr%26et"
        assert json.loads(fillable.fill_body('{"k": ["{{env.KEY}}"]}', "application/json")) == {"k": [self.KEY]}
        assert fillable.fill_body("k={{env.KEY}}&b=1", FORM) == "k=se%22cr%26et&b=1"
        assert fillable.fill_body("k: {{env.KEY}}", "text/plain") == f"k: {self.KEY}"

    def test_what_has_no_secret_stays_as_it_was_written(self) -> None:
        body = '{ "a":1.0 }'
        assert self.open_to_hosts.fill_body(body, "application/json") == body

    def test_only_what_the_prompt_names_and_only_with_hosts(self) -> None:
        with pytest.raises(NotFillable, match="does not name it"):
            self.open_to_hosts.fill("{{env.OTHER}}")
        with pytest.raises(NotFillable, match="no network_allowlist"):
            Fillable({"KEY": self.KEY}, has_hosts=False).fill("{{env.KEY}}")

    def test_no_repr_shows_a_value(self) -> None:
        assert self.KEY not in repr(self.open_to_hosts)


def context() -> ToolContext:
    async def leave(_host: str, _sent: str) -> None:
        pass

    return ToolContext(Outbound(), Fillable({}, has_hosts=False), (), "run:step:1:1", 5.0, leave)


async def use(name: str, **arguments: Any) -> str:
    offered = ("http_request", "curl", "extract_json", "template_render")
    return (await run(name, offered, arguments, context())).text


async def test_json_is_found_in_a_text_and_taken_apart() -> None:
    text = 'Here it is:\n```json\n{"items": [{"name": "a", "price": 5}, {"name": "b", "price": 20}]}\n```\nDone.'
    assert json.loads(await use("extract_json", text=text, expression="items[?price > `10`].name")) == ["b"]
    assert json.loads(await use("extract_json", text=text))["items"][0] == {"name": "a", "price": 5}


async def test_a_template_sees_only_its_values() -> None:
    rendered = await use(
        "template_render", template="{{name}}: {{#each xs}}{{this}};{{/each}}", values={"name": "n", "xs": [1, 2]}
    )
    assert rendered == "n: 1;2;"
    for template in ("{{input.text}}", "{{env.KEY}}", "{{steps.a.output}}", "{{missing}}"):
        with pytest.raises(InvalidInput) as caught:
            await use("template_render", template=template, values={"name": "n"})
        assert caught.value.code == "MISSING_REFERENCE"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("no_such_tool", {}, "There is no tool no_such_tool"),
        ("extract_json", {"text": 5}, "must be a text"),
        ("extract_json", {}, "text is missing"),
        ("extract_json", {"text": "{}", "expression": "[["}, "not a JMESPath"),
        ("extract_json", {"text": "nothing here"}, "not JSON"),
        ("template_render", {"template": "x", "values": []}, "must be an object"),
        ("template_render", {"template": "{{#if x}}", "values": {}}, "never closed"),
        ("http_request", {"url": "https://a.example", "timeout": 5}, "There is no argument timeout"),
        ("http_request", {"url": "https://a.example", "method": "TRACE"}, "method must be one of"),
        ("http_request", {"url": "https://a.example", "headers": {"A": 1}}, "object of texts"),
        ("http_request", {"url": "file:///etc/passwd"}, "Only http and https"),
        ("http_request", {"url": "http://169.254.169.254/latest"}, "never reached"),
        ("curl", {"command": "curl http://localhost/"}, "OUTBOUND_ALLOWLIST"),
    ],
)
async def test_what_a_model_can_put_right_is_told_to_it(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((ToolError, AppError)) as caught:
        await use(name, **arguments)
    assert said in caught.value.message


@pytest.mark.parametrize("arguments", ['{"url": "https', "[1]", "nonsense"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(ToolError):
        read_arguments(ToolCall("c", "curl", arguments))


def test_answers_are_cut_to_bytes_and_say_so() -> None:
    short = "ä" * (RESULT_BYTES // 2)
    assert fit(short) == short
    cut = fit("ä" * RESULT_BYTES)
    assert len(cut.encode()) <= RESULT_BYTES and cut.endswith("bytes are shown]") and "\ufffd" not in cut
    fit("\ud800 lone")


def test_every_tool_of_the_language_is_described() -> None:
    from typing import get_args

    from core.pipelines.kinds.llm import Tool

    for spec in specs(get_args(Tool)):
        assert spec.description and spec.parameters["type"] == "object" and spec.parameters["required"]
