"""Examples for the description of the API, by the names of its schemas: what people copy, and change to what they need.

Every body here is one that the API takes, and every answer one that it could give; the tests send and compare them.
"""

from __future__ import annotations

from typing import Any

from core.accounts.consent_rules import current_text

PIPELINE_ID = "01a1f0c2-7a3e-7c51-9d55-2f4be0a6c1d7"
RUN_ID = "01a1f0c3-11b9-7e02-8a6f-90c3d7e51b24"
SCHEDULE_ID = "01a1f0c4-5d20-7b8e-b1f3-6c0a9e48d352"
KEY_ID = "01a1f0c5-92f4-7d6a-8c17-e3b5a0f7d941"
AT, LATER = "2026-11-02T08:00:00.000Z", "2026-11-02T08:00:01.840Z"
EMAIL, PASSWORD = "ada@example.org", "seven purple submarines"

PIPELINE: dict[str, Any] = {
    "name": "Summary",
    "input": {"schema": {"text": {"type": "string", "required": True}}},
    "steps": [
        {
            "id": "summary",
            "model": "demo",
            "prompt": "Summarise in one sentence: {{input.text}}",
        }
    ],
}
INPUTS = {"text": "Our shop opens at nine. On Sundays it stays closed."}

BODIES: dict[str, dict[str, Any]] = {
    "Credentials": {
        "password": {"email": EMAIL, "password": PASSWORD},
        "second factor": {"email": EMAIL, "password": PASSWORD, "code": "123456"},
    },
    "AddressRequest": {"address": {"email": EMAIL}},
    "Registration": {
        "code": {"email": EMAIL, "password": PASSWORD, "name": "Ada", "code": "123456"},
        "invitation": {"email": EMAIL, "password": PASSWORD, "code": "123456", "invitation": "the-token-of-the-link"},
    },
    "PasswordReset": {"link": {"token": "the-token-of-the-link", "password": PASSWORD}},
    "PasswordChange": {"change": {"current_password": PASSWORD, "password": "nine quiet lighthouses"}},
    "ProfileChange": {
        "name": {"name": "Ada Lovelace"},
        "limit": {"language": "fr", "confirm_above_credits": 50},
        "keys": {"funding": "platform_first"},
        "personal data": {"personal_data": "mask"},
    },
    "ConsentChange": {"no": {"device_analytics": False}, "both": {"device_analytics": True, "product_news": True}},
    "ScreeningChoice": {"mask": {"mode": "mask"}, "as preferred": {"mode": None}},
    "RunRequest": {
        "inputs": {"input_data": INPUTS},
        "earlier version": {"input_data": INPUTS, "version": 1},
        "from a step of an earlier run": {"from_run": RUN_ID, "from_step": "summary"},
    },
    "ReviewRequest": {
        "approve": {"decision": "approve", "comment": "Good as it is."},
        "reject": {"decision": "reject", "comment": "The price is missing."},
    },
    "EstimateRequest": {"inputs": {"input_data": INPUTS}},
    "RetryRequest": {"failed step": {}, "chosen step": {"from_step": "summary"}},
    "SecretRequest": {"secret": {"name": "CRM_TOKEN", "value": "a-value-of-your-own"}},
    "ApiKeyRequest": {
        "reading and running": {"name": "Nightly import", "scopes": ["pipelines:read", "pipelines:execute"]},
        "capped and ending": {
            "name": "Contact form",
            "scopes": ["webhooks:trigger"],
            "expires_at": "2099-12-31T00:00:00Z",
            "max_credits_per_month": 200,
        },
    },
    "PrivacyRequestBody": {
        "access": {"right": "access"},
        "correction": {"right": "rectification", "name": "Ada Lovelace", "language": "fr"},
        "objection": {"right": "objection"},
        "deletion": {"right": "erasure"},
    },
    "ApiKeyChange": {"cap": {"max_credits_per_month": 500}, "no cap": {"max_credits_per_month": None}},
    "ScheduleRequest": {
        "weekly": {
            "name": "Every Monday at nine",
            "cron_expression": "0 9 * * 1",
            "timezone": "Europe/Paris",
            "input_data": INPUTS,
        }
    },
    "ScheduleChange": {"time": {"cron_expression": "30 7 * * 1-5"}, "rest": {"enabled": False}},
    "CheckoutRequest": {
        "plan": {"plan": "pro", "interval": "yearly"},
        "discount": {"plan": "starter", "discount_code": "HALF-YEAR"},
        "credits": {"credits": 2000},
    },
    "CodeRequest": {
        "half a year": {"code": "HALF-YEAR", "percent": 50, "cycles": 6, "max_redemptions": 200},
        "for two people": {"code": "THANKS", "percent": 100, "addresses": [EMAIL, "grace@example.org"]},
    },
    "PauseRequest": {"runs go on": {}, "stop them": {"stop_runs": True}},
}

STEP: dict[str, Any] = {
    "step_id": "summary",
    "step_index": 0,
    "type": "llm",
    "model": "claude-sonnet-4-5",
    "provider": "anthropic",
    "status": "completed",
    "prompt_sent": f"Summarise in one sentence: {INPUTS['text']}",
    "raw_output": "The shop opens at nine, except on Sundays.",
    "parsed_output": "The shop opens at nine, except on Sundays.",
    "input_tokens": 31,
    "output_tokens": 14,
    "cost_cents": 0.037875,
    "credits": 0.037875,
    "duration_ms": 1790,
    "retry_count": 0,
    "stop_reason": "end",
    "error": None,
    "started_at": AT,
    "completed_at": LATER,
}
USER: dict[str, Any] = {
    "id": "01a1f0c0-03c8-7f95-a2d4-b96e1c70a85f",
    "email": EMAIL,
    "name": "Ada",
    "plan": "pro",
    "roles": [],
    "language": "en",
    "funding": "own_first",
    "personal_data": "warn",
    "confirm_above_credits": 25,
    "second_factor": True,
    "created_at": "2026-10-01T09:30:00.000Z",
}
PIPELINE_FACTS: dict[str, Any] = {
    "id": PIPELINE_ID,
    "name": "Summary",
    "description": "Says it in fewer words.",
    "version": 1,
    "status": "active",
    "tags": ["texts"],
    "created_at": AT,
    "updated_at": AT,
}
KEY: dict[str, Any] = {
    "id": KEY_ID,
    "name": "Nightly import",
    "prefix": "sk_live_Yk1Z",
    "scopes": ["pipelines:read", "pipelines:execute"],
    "created_at": AT,
    "expires_at": None,
    "last_used_at": LATER,
    "max_credits_per_month": 500,
    "credits_this_month": 12.25,
}
SPAN = {"low": 0.02, "likely": 0.04, "max": 0.9}

REQUEST: dict[str, Any] = {
    "id": "01a1f0c8-4b7e-7c10-a3d2-5e8f6b0c9a17",
    "right": "access",
    "status": "scheduled",
    "outcome": None,
    "received_at": AT,
    "due_at": "2026-12-02T08:00:00.000Z",
    "extended_until": None,
    "overdue": False,
    "start_at": None,
    "closed_at": None,
    "channel": "api",
    "identity": "session",
}
ANSWERS: dict[str, Any] = {
    "User": USER,
    "SignedInUser": {"user": USER, "token": "eyJhbGciOiJIUzI1NiJ9.…"},
    "Token": {"token": "eyJhbGciOiJIUzI1NiJ9.…"},
    "ConsentAnswer": {
        "choices": [
            {
                "purpose": "device_analytics",
                "granted": False,
                "status": "refused",
                "source": "banner",
                "chosen_at": AT,
                "counts_until": "2027-05-02T08:00:00.000Z",
                "text_version": "2026-11-25",
                "current_text_version": "2026-11-25",
                "current_text": current_text("device_analytics").text,
            },
            {
                "purpose": "product_news",
                "granted": False,
                "status": "open",
                "source": None,
                "chosen_at": None,
                "counts_until": None,
                "text_version": None,
                "current_text_version": "2026-11-25",
                "current_text": current_text("product_news").text,
            },
        ]
    },
    "PageAnswer": {"url": "https://checkout.stripe.com/c/pay/cs_live_a1b2c3"},
    "EventAnswer": {"received": True, "state": "done"},
    "CodeItem": {
        "id": "01a1f0c7-2b66-7d15-a9e0-5c3f8b7d1e42",
        "code": "HALF-YEAR",
        "percent": 50,
        "cycles": 6,
        "plan": None,
        "max_redemptions": 200,
        "redemptions": 17,
        "limited_to_addresses": False,
        "expires_at": None,
        "created_at": AT,
        "ended_at": None,
    },
    "UsageAnswer": {
        "credits_used": 1204.5,
        "credits_remaining": 6795.5,
        "runs_today": 18,
        "total_cost_cents": 963.6,
    },
    "ScreeningAnswer": {"mode": "mask", "holds": "mask"},
    "EgressItem": {
        "id": "01a1f0c6-3e18-7a4c-95b2-08d7f1c6e3b0",
        "at": LATER,
        "run_id": RUN_ID,
        "pipeline_id": PIPELINE_ID,
        "step_id": "summary",
        "kind": "model",
        "recipient": "anthropic",
        "region": "US",
        "purpose": "prompt",
        "funding": "platform",
        "categories": ["user.contact.email"],
        "masked": [],
        "size": 1204,
        "outcome": "answered",
    },
    "LedgerItem": {
        "id": "01a1f0c6-3e18-7a4c-95b2-08d7f1c6e3a9",
        "kind": "settle",
        "cause": RUN_ID,
        "price_version": "2026-10-28.5f1c09ab27de",
        "amounts": {"held": -0.9, "spent": 0.037875, "available": 0.862125},
        "created_at": LATER,
    },
    "PriceBookAnswer": {
        "version": "2026-10-28.5f1c09ab27de",
        "taken_at": LATER,
        "markup": "1.25",
        "credit_value_cents": {"free": "1", "starter": "1", "pro": "0.8", "enterprise": "0.8"},
        "usd_per_mtok": {
            "anthropic/claude-haiku-4-5": {
                "input": "1",
                "output": "5",
                "cached_input": "0.1",
                "cache_write": "1.25",
                "source": "genai-prices 0.2.3",
            }
        },
        "content": '{"credit_value_cents":{"enterprise":"0.8",…',
    },
    "PipelineAnswer": {**PIPELINE_FACTS, "definition": PIPELINE},
    "PipelineItem": PIPELINE_FACTS,
    "Validation": {
        "valid": False,
        "errors": [
            {
                "path": "steps[0].prompt",
                "line": 4,
                "column": 13,
                "code": "UNKNOWN_STEP",
                "message": "There is no step `draft`.",
            }
        ],
        "warnings": [],
    },
    "Estimate": {**SPAN, "steps": {"summary": SPAN}},
    "RunAnswer": {
        "id": RUN_ID,
        "pipeline_id": PIPELINE_ID,
        "pipeline_version": 1,
        "trigger_type": "api",
        "status": "completed",
        "funding_mode": "platform",
        "input_data": INPUTS,
        "output_data": STEP["parsed_output"],
        "error": None,
        "total_tokens": 45,
        "total_cost_cents": 0.037875,
        "credits_quoted": SPAN,
        "credits_deducted": 0.037875,
        "started_at": AT,
        "completed_at": LATER,
        "created_at": AT,
        "steps": [STEP],
    },
    "RunItem": {
        "id": RUN_ID,
        "pipeline_id": PIPELINE_ID,
        "pipeline_name": "Summary",
        "pipeline_version": 1,
        "status": "completed",
        "trigger_type": "api",
        "credits_deducted": 0.037875,
        "duration_ms": 1840,
        "started_at": AT,
        "created_at": AT,
    },
    "ReviewAnswer": {
        "id": "0199a3c0-7d2e-7a51-9b64-5d1f0c8e7a42",
        "run_id": RUN_ID,
        "step_id": "check",
        "pipeline_name": "Summary",
        "status": "decided",
        "message": "May this go out?",
        "output": STEP["parsed_output"],
        "editable": True,
        "on_timeout": "reject",
        "due_at": "2026-11-05T08:00:00.000Z",
        "created_at": AT,
        "decision": "approve",
        "decided_output": None,
        "comment": "Good as it is.",
        "decided_by": USER["id"],
        "decided_at": LATER,
    },
    "ScheduleItem": {
        "id": SCHEDULE_ID,
        "pipeline_id": PIPELINE_ID,
        "name": "Every Monday at nine",
        "cron_expression": "0 9 * * 1",
        "timezone": "Europe/Paris",
        "input_data": INPUTS,
        "missed": "skip",
        "enabled": True,
        "paused_code": None,
        "next_at": "2026-11-09T08:00:00.000Z",
        "last_at": AT,
        "last_run_id": RUN_ID,
        "last_error_code": None,
        "from_definition": False,
        "max_credits_per_month": None,
        "credits_this_month": 0.037875,
        "created_at": "2026-10-30T16:12:00.000Z",
        "updated_at": "2026-10-30T16:12:00.000Z",
    },
    "UpcomingItem": {
        "at": "2026-11-09T08:00:00.000Z",
        "schedule_id": SCHEDULE_ID,
        "name": "Every Monday at nine",
        "pipeline_id": PIPELINE_ID,
        "pipeline_name": "Summary",
    },
    "PrivacyRequestItem": REQUEST,
    "PrivacyRequestAnswer": {
        **REQUEST,
        "events": [
            {
                "at": AT,
                "actor": "person",
                "code": "received",
                "says": "Received",
                "status": "received",
                "text": "",
            },
            {
                "at": AT,
                "actor": "system",
                "code": "identity_session",
                "says": "You had just entered your password: that shows who asked",
                "status": "verified",
                "text": "",
            },
            {
                "at": AT,
                "actor": "system",
                "code": "scheduled",
                "says": "Ready to be carried out",
                "status": "scheduled",
                "text": "",
            },
        ],
        "steps": [],
        "reason": None,
    },
    "ApiKeyItem": KEY,
    "NewApiKeyAnswer": {**KEY, "last_used_at": None, "credits_this_month": 0, "key": "sk_live_Yk1Z…"},
    "WebhookAnswer": {"accepted": True, "run_id": RUN_ID, "status": "pending", "pipeline_id": PIPELINE_ID},
    "FileAnswer": {
        "id": "01a1f0c7-c05b-7e31-8f29-4d6a7b90e2c8",
        "name": "orders.csv",
        "kind": "csv",
        "media_type": "text/csv",
        "size": 20480,
        "created_at": AT,
    },
    "SecretItem": {
        "name": "CRM_TOKEN",
        "pipeline_id": None,
        "created_at": AT,
        "updated_at": AT,
        "last_used_at": None,
    },
    "AutomationAnswer": {"automation_paused_at": None, "runs_under_way": 2},
}

_PROBLEMS: dict[str, dict[str, Any]] = {
    "400": {"error": "The body is not JSON (line 1, column 9): Expecting value.", "code": "MALFORMED_JSON"},
    "401": {"error": "Send a valid token: Authorization: Bearer <token>.", "code": "UNAUTHENTICATED"},
    "402": {
        "error": "The first step may cost up to 0.9 credits, and 0.2 are left. Nothing was started.",
        "code": "INSUFFICIENT_CREDITS",
    },
    "403": {"error": "This API key may not do that: it needs the scope pipelines:write.", "code": "SCOPE"},
    "404": {
        "error": "There is no such run, or it is deleted: runs are kept for as long as your plan says.",
        "code": "RUN_NOT_FOUND",
    },
    "408": {"error": "The upload took more than ten minutes. Try again.", "code": "UPLOAD_TIMEOUT"},
    "409": {
        "error": "This Idempotency-Key came with another request in the last 24 hours. Nothing was done.",
        "code": "IDEMPOTENCY_KEY_REUSED",
    },
    "413": {"error": "A request may have 256 KB. Make it shorter, then send it again.", "code": "BODY_TOO_LARGE"},
    "415": {"error": "This is no file of a type that is accepted.", "code": "FILE_TYPE_UNSUPPORTED"},
    "422": {
        "error": "limit: Input should be less than or equal to 100.",
        "code": "INVALID_REQUEST",
        "details": [
            {
                "path": "limit",
                "code": "LESS_THAN_EQUAL",
                "message": "Input should be less than or equal to 100",
            }
        ],
    },
    "429": {"error": "You ask faster than this installation allows. Wait, then go on.", "code": "RATE_LIMITED"},
    "502": {
        "error": "Our payment service does not answer right now. Nothing was changed. Try again in a minute.",
        "code": "PAYMENT_UNAVAILABLE",
    },
    "503": {"error": "The database does not answer.", "code": "NOT_READY"},
}


def problem_example(status: str) -> dict[str, Any]:
    """What an error of this status may say."""
    return _PROBLEMS[status]
