"""The picture of where data went: said in words, escaped, and bounded however much there is."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

from core.execution.egress_queries import Flow
from core.providers.catalogue import Catalogue
from core.providers.domain import ProviderConfig
from pages.ui.flow_map import MOST_PIPELINES, MOST_RECIPIENTS, data_words, flow_svg, flow_table

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ANTHROPIC = Catalogue(ProviderConfig()).provider_terms("anthropic")
TERMS = {"anthropic": ANTHROPIC} if ANTHROPIC else {}


def flow(pipeline: str, recipient: str = "anthropic", kind: str = "model", **values: object) -> Flow:
    facts = {
        "pipeline_id": pipeline, "kind": kind, "recipient": recipient, "region": None, "purposes": ("prompt",),
        "fundings": (), "times": 3, "unsure": 0, "unseen": 0, "size": 1, "categories": (), "masked": (), "last_at": NOW,
    }  # fmt: skip
    return Flow(**{**facts, **values})  # type: ignore[arg-type]


def test_the_picture_says_what_it_shows_and_is_well_formed() -> None:
    flows = [flow("a"), flow("b", "evil<script>.example", "webhook"), flow("a", "file store", "file")]
    svg = flow_svg(flows, {"a": 'Letters & "more"', "b": "Orders"}, TERMS)
    root = ET.fromstring(svg)
    said = root.attrib["aria-label"]
    assert 'Letters & "more" to Anthropic, 3 times' in said and "evil<script>.example" in said
    assert "<script>" not in svg
    edges = {path.attrib["class"] for path in root.iter() if path.tag.endswith("path")}
    assert edges == {"", "out", "unsure", "in"}


def test_much_is_folded() -> None:
    flows = [flow(f"p{number}", f"host-{number}.example", "webhook") for number in range(40)]
    svg = flow_svg(flows, {f"p{number}": f"Pipeline {number}" for number in range(40)}, TERMS)
    boxes = svg.count('class="box"')
    assert boxes == 1 + MOST_PIPELINES + MOST_RECIPIENTS and "Others" in svg
    table = flow_table(flows, {}, TERMS, NOW)
    assert table.count("<tr>") == 41, "the table holds all of it"


def test_personal_data_in_words() -> None:
    assert data_words(flow("a")) == "none found"
    assert data_words(flow("a", unseen=3)) == "not looked at"
    assert (
        data_words(flow("a", unseen=1, categories=("user.contact.email",), masked=("user.contact.phone_number",)))
        == "e-mail addresses; phone numbers kept back; not looked at in 1"
    )
