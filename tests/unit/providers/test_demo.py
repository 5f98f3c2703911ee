from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from core.providers.demo import CANNOT_TRANSLATE, CANNOT_WRITE, DemoModel, schema_from_words
from core.providers.demo_fill import fill_schema
from core.providers.demo_text import sentences
from core.providers.domain import ModelReply, ModelRequest
from tests.support.cpu import plain_loop

ARTICLE = (
    "The city council approved a new cycling network on Tuesday. The network will add 40 kilometres of protected "
    "lanes over three years. Critics say the lanes will reduce parking in the centre. Supporters argue that cycling "
    "lanes make streets safer for everyone. The first lanes open next spring near the station. Funding comes from "
    "the national climate programme."
)
MAIL = """Subject: Charged twice for my subscription

Hi team,

I was charged twice for my Pro subscription this month. This is the third time and I am really frustrated.
Please refund the second payment immediately, otherwise I have to cancel.

Regards,
Anna Schmidt
anna.schmidt@example.com"""
INVOICE = """ACME Tools GmbH
Hauptstr. 5, 10115 Berlin

Invoice number: INV-2026-0142
Invoice date: 14 March 2026
Due date: 13 April 2026

- Hammer 2 x 12.50 EUR  25.00 EUR
- Saw 1 x 40.00 EUR  40.00 EUR

Subtotal: 65.00 EUR
VAT 19%: 12.35 EUR
Total: 77.35 EUR
"""
TRIAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
        "customer_mood": {"type": "string", "enum": ["angry", "frustrated", "neutral", "happy"]},
    },
    "required": ["topic", "urgency", "customer_mood"],
    "additionalProperties": False,
}
INVOICE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "due_date": {"type": "string"},
        "total": {"type": "number"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "vendor": {"type": "string"},
        "line_items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"description": {"type": "string"}, "amount": {"type": "number"}},
                "required": ["description", "amount"],
            },
        },
    },
    "required": ["invoice_number", "date", "total", "currency", "vendor"],
}


def ask(prompt: str, **changes: Any) -> ModelReply:
    return asyncio.run(DemoModel(0).complete(ModelRequest("demo", prompt, **changes), None))


def ask_json(prompt: str, **changes: Any) -> Any:
    return json.loads(ask(prompt, **changes).text)


@pytest.mark.parametrize(
    "prompt",
    [
        f"Summarise the following text in two sentences:\n\n{ARTICLE}",
        f"Summarize this text in two sentences: {ARTICLE}",
        f"You are an editor.\n\nText:\n{ARTICLE}\n\nWrite a summary in 2 sentences.",
        f"Summarize in two sentences.\n<text>{ARTICLE}</text>",
    ],
)
def test_a_summary_is_made_of_the_texts_own_sentences(prompt: str) -> None:
    picked = sentences(ask(prompt).text)
    assert len(picked) == 2
    assert all(sentence in ARTICLE for sentence in picked)


def test_the_same_prompt_always_gets_the_same_answer() -> None:
    prompt = f"Write a digest as bullet points:\n\n{ARTICLE}\n\n{MAIL}"
    assert ask(prompt) == ask(prompt)
    assert all(line.startswith("- ") for line in ask(prompt).text.splitlines())


def test_keywords() -> None:
    found = ask(f"List five keywords for this text:\n\n{ARTICLE}").text.split(", ")
    assert len(found) == 5
    assert "lanes" in found


def test_it_does_not_pretend_to_translate_or_to_write() -> None:
    translated = ask(f"Translate this text to French:\n\n{ARTICLE}").text
    assert translated.startswith(CANNOT_TRANSLATE)
    assert "The city council approved" in translated
    assert ask("Write a haiku about autumn.").text.startswith(CANNOT_WRITE)


@pytest.mark.parametrize(
    "changes", [{"output_schema": TRIAGE}, {"json_output": True}], ids=["by schema", "by words in the prompt"]
)
def test_triage(changes: dict[str, Any]) -> None:
    prompt = f"Triage this support mail: return JSON {{topic, urgency 1-5, customer_mood}}.\n\n{MAIL}"
    assert ask_json(prompt, **changes) == {"topic": "billing", "urgency": 5, "customer_mood": "frustrated"}


def test_a_calm_question_is_not_urgent() -> None:
    mail = "Hello, just wondering whether you ship to Norway? No rush. Have a wonderful day!"
    found = ask_json(f"Triage this mail:\n\n{mail}", output_schema=TRIAGE)
    assert found["urgency"] <= 2
    assert found["customer_mood"] == "happy"


def test_invoice() -> None:
    found = ask_json(f"Extract the fields of this invoice.\n\n{INVOICE}", output_schema=INVOICE_SCHEMA)
    assert found == {
        "invoice_number": "INV-2026-0142",
        "date": "2026-03-14",
        "due_date": "2026-04-13",
        "total": 77.35,
        "currency": "EUR",
        "vendor": "ACME Tools GmbH",
        "line_items": [
            {"description": "Hammer 2 x 12.50 EUR 25.00 EUR", "amount": 25},
            {"description": "Saw 1 x 40.00 EUR 40.00 EUR", "amount": 40},
        ],
    }


@pytest.mark.parametrize(
    ("text", "total", "currency", "day"),
    [
        ("Rechnung Nr. 4711\nDatum: 03.04.2026\nGesamt: 1.234,56 €", 1234.56, "EUR", "2026-04-03"),
        ("Invoice #A-77 of March 4, 2026. Amount due: $1,250.00", 1250.0, "USD", "2026-03-04"),
        ("Bill no. 9931, 2026-02-28. Total GBP 99.5", 99.5, "GBP", "2026-02-28"),
    ],
)
def test_amounts_and_dates_in_their_notations(text: str, total: float, currency: str, day: str) -> None:
    found = ask_json(f"Extract the invoice:\n\n{text}", output_schema=INVOICE_SCHEMA)
    assert (found["total"], found["currency"], found["date"]) == (total, currency, day)


def test_what_the_text_does_not_say_is_not_made_up() -> None:
    schema = {
        "type": "object",
        "properties": {
            "email": {"type": "string"},
            "phone": {"type": ["string", "null"]},
            "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "iban": {"type": "string"},
        },
        "required": ["phone", "price", "iban"],
    }
    found = ask_json("Extract the contact.\n\nThe meeting was long and nobody said anything.", output_schema=schema)
    assert found == {"phone": None, "price": None, "iban": ""}


@pytest.mark.parametrize(
    ("review", "label"),
    [
        ("I love it, excellent quality and works great.", "positive"),
        ("Terrible, unacceptable, a scam.", "negative"),
        ("It is a table with four legs.", "neutral"),
    ],
)
def test_classifying_chooses_among_the_labels(review: str, label: str) -> None:
    assert ask(f"Classify the sentiment as positive, negative or neutral.\n\n{review}").text == label


def test_fields_named_in_prose_become_a_schema() -> None:
    prompt = f"Extract invoice_number, date, total, currency and vendor as JSON from this invoice:\n{INVOICE}"
    found = ask_json(prompt, json_output=True)
    assert list(found) == ["invoice_number", "date", "total", "currency", "vendor"]
    assert found["total"] == 77.35
    assert schema_from_words("Be nice")["required"] == ["summary", "keywords"]


def test_it_streams_in_pieces_and_counts_tokens() -> None:
    heard: list[str] = []
    request = ModelRequest("demo", f"Summarise:\n\n{ARTICLE}")
    reply = asyncio.run(DemoModel(0).complete(request, heard.append))
    assert "".join(heard) == reply.text
    assert len(heard) > 3
    assert reply.usage.input_tokens > reply.usage.output_tokens > 0


def test_max_tokens_cuts_text() -> None:
    reply = ask(f"Summarise in six sentences:\n\n{ARTICLE}", max_tokens=10)
    assert reply.stop_reason == "max_tokens"
    assert 0 < reply.usage.output_tokens <= 10


async def test_streaming_can_be_cancelled() -> None:
    first = asyncio.Event()
    request = ModelRequest("demo", f"Summarise:\n\n{ARTICLE}")
    task = asyncio.create_task(DemoModel(60).complete(request, lambda piece: first.set()))
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


NAMES = """topic urgency total date name email tags summary is_open score invoice_number mood url phone currency
count x vendor items due_date category confidence title language"""
names = st.sampled_from(NAMES.split())
small = st.integers(0, 9)
enums = st.lists(st.one_of(st.text(max_size=8), st.integers(), st.none()), min_size=1, unique=True)


def _ranged(kind: str, lows: st.SearchStrategy[Any], spans: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda low, span: {"type": kind, "minimum": low, "maximum": low + span}, lows, spans)


leaves = st.one_of(
    _ranged("integer", st.integers(-5, 5), small),
    _ranged("number", st.floats(-9, 9), st.floats(0, 9)),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more}, small, st.integers(0, 40)
    ),
    st.builds(lambda options: {"enum": options}, enums),
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "number"},
            {"type": "integer", "multipleOf": 5},
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"anyOf": [{"type": "null"}, {"type": "number"}]},
            {"const": "fixed"},
            {"type": "string", "format": "date"},
            {"type": "string", "pattern": "^[A-Z]{2}\\d+$"},
            {"$ref": "#/$defs/money"},
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3, "uniqueItems": True},
            True,
            {},
        ]
    ),
)


def _objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, required, closed: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name in required],
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(names, parts, max_size=5),
        st.sets(names),
        st.booleans(),
    )


schemas = st.recursive(
    leaves,
    lambda parts: (
        _objects(parts)
        | st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, parts, st.integers(0, 3))
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(_objects(schemas), st.sampled_from([MAIL, INVOICE, ARTICLE, "", "x"]))
def test_common_schemas_are_always_satisfied(schema: dict[str, Any], text: str) -> None:
    money = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    whole = {**schema, "$defs": {"money": money}}
    impossible = '"pattern"' in json.dumps(schema)  # an unmatched required pattern has no honest value
    errors = list(Draft202012Validator(whole).iter_errors(fill_schema(whole, text)))
    assert impossible or not errors, [error.message for error in errors]


@settings(deadline=None)
@given(st.text(max_size=600))
def test_no_prompt_breaks_it(prompt: str) -> None:
    assert isinstance(ask(prompt).text, str)
    assert ask_json(prompt, json_output=True) is not None


def test_a_huge_prompt_is_answered_quickly() -> None:
    began = time.thread_time()
    ask(f"Summarise:\n\n{ARTICLE * 10_000}")
    ask_json(f"Triage:\n\n{MAIL * 10_000}", output_schema=TRIAGE)
    assert time.thread_time() - began < 50 * plain_loop()
