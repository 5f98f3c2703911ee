"""Signatures of outbound webhooks."""

import hashlib
import hmac

import pytest

from core.platform.signatures import sign, signed_headers, verify

SENT_AT, BODY = 1_700_000_000, b'{"ok":true}'


def headers(**changes: str) -> dict[str, str]:
    made = signed_headers("secret", event="pipeline.run.completed", delivery="r1:t1", timestamp=SENT_AT, body=BODY)
    return {**made, **{f"X-StepIQ-{name.title()}": value for name, value in changes.items()}}


def test_the_known_vector() -> None:
    assert sign("secret", SENT_AT, BODY).startswith("v1=c1afc7c2")


def test_it_is_hmac_sha256_of_timestamp_dot_body() -> None:
    expected = hmac.new(b"s\xc3\xa9cret", b"12.\x00raw", hashlib.sha256).hexdigest()
    assert sign("sécret", 12, b"\x00raw") == f"v1={expected}"


def test_the_four_headers() -> None:
    assert headers() == {
        "X-StepIQ-Event": "pipeline.run.completed",
        "X-StepIQ-Delivery": "r1:t1",
        "X-StepIQ-Timestamp": "1700000000",
        "X-StepIQ-Signature": sign("secret", SENT_AT, BODY),
    }


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_what_was_signed_verifies_within_the_tolerance(late: int) -> None:
    lower = {name.lower(): value for name, value in headers().items()}
    assert verify("secret", headers(), BODY, now=SENT_AT + late)
    assert verify("secret", lower, BODY, now=SENT_AT + late)


def test_two_signatures_while_a_secret_is_replaced() -> None:
    both = f"{sign('newer', SENT_AT, BODY)}, {sign('secret', SENT_AT, BODY)}"
    for secret in ("newer", "secret"):
        assert verify(secret, headers(signature=both), BODY, now=SENT_AT)
    assert not verify("third", headers(signature=both), BODY, now=SENT_AT)


@pytest.mark.parametrize("late", [-301, 301])
def test_an_old_or_future_one_does_not(late: int) -> None:
    assert not verify("secret", headers(), BODY, now=SENT_AT + late)
    assert verify("secret", headers(), BODY, now=SENT_AT + late, tolerance_seconds=301)


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "1700000001"},
        {"timestamp": "01700000000"},
        {"timestamp": "+1700000000"},
        {"timestamp": "1_700_000_000"},
        {"timestamp": ""},
        {"timestamp": "soon"},
        {"timestamp": "9" * 5000},
        {"signature": ""},
        {"signature": "v1="},
        {"signature": sign("secret", SENT_AT, BODY).removeprefix("v1=")},
        {"signature": sign("secret", SENT_AT, BODY).replace("v1", "v2")},
        {"signature": sign("secret", SENT_AT, BODY)[:-1]},
        {"signature": sign("other", SENT_AT, BODY)},
        {"signature": "v1=é"},
    ],
)
def test_altered_headers_do_not(changes: dict[str, str]) -> None:
    assert not verify("secret", headers(**changes), BODY, now=SENT_AT)


def test_an_altered_body_or_a_missing_header_does_not() -> None:
    assert not verify("secret", headers(), BODY + b" ", now=SENT_AT)
    assert not verify("secret", {}, BODY, now=SENT_AT)


def test_nothing_is_signed_or_verified_with_an_empty_secret() -> None:
    with pytest.raises(ValueError, match="empty"):
        sign("", SENT_AT, BODY)
    forged = "v1=" + hmac.new(b"", b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert not verify("", headers(signature=forged), BODY, now=SENT_AT)
