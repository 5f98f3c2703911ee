"""The form of each kind of step, as it is drawn in the open cell. A kind without one is drawn by its fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.pipelines.definition import BaseStep, LlmStep, TransformStep
from core.pipelines.kinds.code import CodeStep
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.kinds.sql import SqlStep
from core.pipelines.kinds.webhook import WebhookStep
from pages.ui.forms.acting import draw_review, draw_webhook
from pages.ui.forms.fallback import draw_fields
from pages.ui.forms.flow import draw_condition, draw_map, draw_parallel, draw_pipeline
from pages.ui.forms.model import draw_llm
from pages.ui.forms.parts import StepForm
from pages.ui.forms.values import draw_code, draw_sql, draw_transform

__all__ = ["StepForm", "draw_form"]

FORMS: dict[type[BaseStep], Callable[[Any, StepForm], None]] = {
    LlmStep: draw_llm,
    TransformStep: draw_transform,
    CodeStep: draw_code,
    SqlStep: draw_sql,
    ConditionStep: draw_condition,
    ParallelStep: draw_parallel,
    MapStep: draw_map,
    PipelineStep: draw_pipeline,
    WebhookStep: draw_webhook,
    HumanReviewStep: draw_review,
}


def draw_form(form: StepForm) -> None:
    """The editor and the settings of a step."""
    FORMS.get(type(form.step), draw_fields)(form.step, form)
