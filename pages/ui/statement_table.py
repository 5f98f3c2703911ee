"""Movements of credits as a table: what each was for, by which prices, and what was left after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from urllib.parse import urlencode

from core.credits.spending import Share
from core.credits.statements import TITLES, Line
from core.shared.money import exact_credits, format_credits
from pages.ui.navigator import base_path
from pages.ui.words import count, time_html

GONE = "A pipeline that is gone"
FROM_FILE = "From a file"
_HEAD = (
    '<th>When</th><th>What</th><th>Model</th><th class="sq-num">Tokens in, out</th><th>Prices</th>'
    '<th class="sq-num">Credits</th><th class="sq-num">Balance</th>'
)


def pipeline_name(pipeline_id: str | None, names: Mapping[str, str]) -> str:
    """A pipeline by the name it has now."""
    return FROM_FILE if pipeline_id is None else names.get(pipeline_id, GONE)


def movement_table(lines: Sequence[Line], names: Mapping[str, str], now: datetime) -> str:
    """The lines as HTML, in the order given."""
    rows = "".join(_row(line, names, now) for line in lines)
    return f'<table class="sq-table sq-moves"><thead><tr>{_HEAD}</tr></thead><tbody>{rows}</tbody></table>'


def share_table(title: str, shares: Sequence[tuple[str, Share]]) -> str:
    """What went to each pipeline or model, with a bar for its part of all."""
    most = max((share.micros for _, share in shares), default=0)
    rows = "".join(_share(name, share, most) for name, share in shares)
    return (
        f'<table class="sq-table sq-shares"><thead><tr><th>{escape(title)}</th><th class="sq-num">Calls</th>'
        f'<th class="sq-num">Tokens</th><th class="sq-num">Credits</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _share(name: str, share: Share, most: int) -> str:
    part = 100 * share.micros / most if most else 0
    used = share.input_tokens + share.output_tokens
    cached = f", {count(share.cached_tokens, 'token')} of them from a cache" if share.cached_tokens else ""
    hover = f"{share.input_tokens:,} read{cached}, {share.output_tokens:,} written"
    return (
        f'<tr><td><span class="sq-name">{escape(name)}</span>'
        f'<div class="sq-meter" aria-hidden="true"><span style="width:{part:.0f}%"></span></div></td>'
        f'<td class="sq-num">{share.calls:,}</td><td class="sq-num" title="{escape(hover)}">{used:,}</td>'
        f'<td class="sq-num">{format_credits(share.micros)}</td></tr>'
    )


def _row(line: Line, names: Mapping[str, str], now: datetime) -> str:
    what, model, used, prices = TITLES.get(line.kind, line.kind), "", "", ""
    if line.kind == "settle":
        place = {"run": line.run_id or "", "step": (line.step or "").partition("/")[0].partition("@")[0]}
        name = escape(pipeline_name(line.pipeline_id, names))
        what = (
            f'<a href="{base_path()}run?{escape(urlencode(place))}" target="_self">{name}</a>'
            f' <span class="sq-facts">{escape(line.step or "")}</span>'
        )
        model = escape((line.model or "").partition("/")[2])
        cached = f"{line.cached_tokens:,} of them read from a cache" if line.cached_tokens else ""
        used = f'<span title="{cached}">{line.input_tokens:,} → {line.output_tokens:,}</span>'
    if line.price_version and line.kind == "settle":
        href = f"/api/price-books/{escape(line.price_version)}"
        prices = (
            f'<a href="{href}" target="_blank" title="The prices of version {escape(line.price_version)}, as JSON">'
            f"{escape(line.price_version.partition('.')[0])}</a>"
        )
    sign = "+" if line.micros > 0 else ""
    exact = f"{exact_credits(line.micros)} credits; movement {line.number}"
    return (
        f'<tr><td class="sq-cell-time">{time_html(line.at, now)}</td><td class="sq-cell-name">{what}</td>'
        f'<td class="sq-cell-model">{model}</td><td class="sq-num sq-cell-long">{used}</td>'
        f'<td class="sq-cell-prices">{prices}</td>'
        f'<td class="sq-num sq-cell-cost" title="{exact}">{sign}{_shown(line.micros)}</td>'
        f'<td class="sq-num sq-cell-left">{_shown(line.balance_micros)}</td></tr>'
    )


def _shown(micros: int) -> str:
    if micros < 0:
        return f"−{format_credits(-micros).removeprefix('< ')}"
    return format_credits(micros)
