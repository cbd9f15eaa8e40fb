"""Small charts as SVG inside a page: lines, dots and bars, in the page's own colours, light or dark.

Numbers in, markup out; nothing is drawn with a library, so that a page of a dozen charts stays a few kilobytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]
WIDTH, HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 26, 34


@dataclass(frozen=True)
class Axis:
    """From where to where an axis goes, and what it counts."""

    low: float
    high: float
    label: str = ""
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value is, 0 at the low end and 1 at the high one."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return the values to mark: about five round ones.

        Example:
            >>> Axis(0, 1).ticks()
            [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        if self.log:
            powers = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            return [10.0**power for power in powers]
        rough = (self.high - self.low) / 5
        unit = 10 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def axis(values: Sequence[float], label: str = "", *, zero: bool = False, log: bool = False) -> Axis:
    """Return an axis that holds all values, with a little room; of width above 0."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if log:
        return Axis(low / 1.2, high * 1.2, label, log=True)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    return Axis(0.0 if zero and low > -room * 1.01 else low, high, label)


def lines(
    title: str, series: Mapping[str, Sequence[Point]], *, x: Axis, y: Axis, mark: Point | None = None
) -> Markup:
    """Draw one or two lines.

    Args:
        title: Above the chart.
        series: Name in the key -> points, from left to right; a point with NaN leaves a gap.
        x: Horizontal axis.
        y: Vertical axis.
        mark: A point to ring, such as the best epoch.
    """
    drawn = []
    for kind, points in zip("ab", series.values(), strict=False):
        runs: list[list[str]] = [[]]
        for px, py in points:
            if math.isfinite(py):
                runs[-1].append(f"{_x(x, px):.1f},{_y(y, py):.1f}")
            elif runs[-1]:
                runs.append([])
        for run in filter(None, runs):
            if len(run) == 1:
                cx, cy = run[0].split(",")
                drawn.append(f'<circle class="key-{kind}" cx="{cx}" cy="{cy}" r="3"/>')
            drawn.append(f'<polyline class="line {kind}" points="{" ".join(run)}"/>')
    if mark is not None:
        drawn.append(f'<circle class="line b" cx="{_x(x, mark[0]):.1f}" cy="{_y(y, mark[1]):.1f}" r="4.5"/>')
    return _chart(title, drawn, x, y, list(series) if len(series) > 1 else [])


def dots(title: str, points: Sequence[tuple[float, float, float, str]], *, x: Axis, y: Axis) -> Markup:
    """Draw a dot for each of (x, y, share of the whole, text on hover); its area follows the share."""
    drawn = [
        f'<circle class="dot" cx="{_x(x, px):.1f}" cy="{_y(y, py):.1f}" r="{3 + 15 * math.sqrt(share):.1f}">'
        f"<title>{escape(text)}</title></circle>"
        for px, py, share, text in points
    ]
    return _chart(title, drawn, x, y, [])


def reliability(title: str, bins: Sequence[tuple[float, float, float, float]]) -> Markup:
    """Draw accuracy over confidence, with the gap to the diagonal on which they are equal.

    Args:
        title: Above the chart.
        bins: (low edge, high edge, mean confidence, accuracy) of each bin that has pixels.
    """
    x, y = Axis(0, 1, "confidence"), Axis(0, 1, "accuracy")
    drawn = []
    for low, high, confidence, accuracy in bins:
        left, width = _x(x, low) + 0.5, _x(x, high) - _x(x, low) - 1
        text = f"{low:.2f} to {high:.2f}: confidence {confidence:.3f}, accuracy {accuracy:.3f}"
        top, bottom = max(accuracy, confidence), min(accuracy, confidence)
        drawn.append(
            f'<rect class="box" x="{left:.1f}" y="{_y(y, accuracy):.1f}" width="{width:.1f}" '
            f'height="{_y(y, 0) - _y(y, accuracy):.1f}"><title>{escape(text)}</title></rect>'
            f'<rect class="gap" x="{left:.1f}" y="{_y(y, top):.1f}" width="{width:.1f}" '
            f'height="{_y(y, bottom) - _y(y, top):.1f}"><title>{escape(text)}</title></rect>'
        )
    drawn.append(f'<path class="ideal" d="M{_x(x, 0):.1f} {_y(y, 0):.1f}L{_x(x, 1):.1f} {_y(y, 1):.1f}"/>')
    return _chart(title, drawn, x, y, [])


def bar(
    value: float | None, low: float | None = None, high: float | None = None, *, whole: float = 1.0
) -> Markup:
    """Return a bar for a table's cell, with the interval as a whisker.

    Example:
        >>> bar(0.5)
        Markup('<span class="bar"><i style="width:50.0%"></i></span>')
    """
    if value is None:
        return Markup('<span class="bar"></span>')
    share = 100 * min(max(value / whole, 0), 1) if whole else 0.0
    whisker = ""
    if low is not None and high is not None:
        left, right = (100 * min(max(end / whole, 0), 1) for end in (low, high))
        whisker = f'<b style="left:{left:.1f}%;width:{right - left:.1f}%"></b>'
    return Markup(f'<span class="bar"><i style="width:{share:.1f}%"></i>{whisker}</span>')


def _chart(title: str, drawn: Sequence[str], x: Axis, y: Axis, key: Sequence[str]) -> Markup:
    """Put axes, grid and title around what is drawn."""
    parts = [f'<text class="title" x="{_LEFT}" y="15">{escape(title)}</text>']
    for value in y.ticks():
        at = _y(y, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_text(value)}</text>')
    for value in x.ticks():
        at = _x(x, value)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 14}" text-anchor="middle">{_text(value)}</text>'
        )
    parts += drawn
    parts.append(f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}"/>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x.label)}</text>')
    if y.label:
        at = (_TOP + HEIGHT - _BOTTOM) / 2
        turned = f'transform="translate(11 {at:.0f}) rotate(-90)"'
        parts.append(f'<text {turned} text-anchor="middle">{escape(y.label)}</text>')
    left = WIDTH - _RIGHT
    for kind, name in reversed(list(zip("ab", key, strict=False))):
        parts.append(f'<text x="{left}" y="15" text-anchor="end">{escape(name)}</text>')
        left -= 7 * len(name) + 8
        parts.append(f'<rect class="key-{kind}" x="{left - 6}" y="7" width="9" height="9" rx="2"/>')
        left -= 14
    body = "".join(parts)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _text(value: float) -> str:
    if value and (abs(value) >= 10000 or abs(value) < 0.001):
        mantissa, power = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:g}"
