"""Drawing in SVG: scales, ticks and a sheet. No script, no fonts to load, no network.

Elements are built as a tree and serialised by the standard library, so text from data is always
escaped. The same SVG serves in a page, in print and as a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from vocabtrim_core.palette import LIGHT

INK, MUTED, LINE, ACCENT, SOFT, WARN = (
    LIGHT.ink,
    LIGHT.muted,
    LIGHT.line,
    LIGHT.accent,
    LIGHT.soft,
    LIGHT.warn,
)
SANS = "'Inter','Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"
WIDTH = 720
_STYLE = f"""
text{{font:12px {SANS};fill:{MUTED};font-variant-numeric:tabular-nums}}
.s{{font-size:11px}} .b{{font-weight:600;fill:{INK}}} .a{{fill:{ACCENT};font-weight:600}}
.w{{fill:{WARN}}} .grid{{stroke:{LINE}}} .axis{{stroke:{MUTED}}} path{{fill:none}}
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """A map from values to positions, linear or logarithmic.

    Attributes:
        low: Smallest value.
        high: Largest value.
        start: Position of the smallest value.
        stop: Position of the largest value.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value."""
        low, high = (
            (math.log(v) for v in (self.low, self.high)) if self.log else (self.low, self.high)
        )
        at = math.log(value) if self.log else value
        return self.start + (at - low) / ((high - low) or 1) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Choose round values within the scale.

        Args:
            count: About how many, on a linear scale.

        Returns:
            Powers of ten on a logarithmic scale, else even steps.
        """
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**e for e in range(first, last + 1)]
        rough = (self.high - self.low) / max(count, 1) or 1
        size = 10 ** math.floor(math.log10(rough))
        step = next((m * size for m in (1, 2, 5, 10) if m * size >= rough), 10 * size)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def minor(self) -> list[float]:
        """Return 2..9 times each power of ten within a logarithmic scale."""
        if not self.log:
            return []
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (m * 10.0**e for e in powers for m in range(2, 10))
        return [v for v in values if self.low <= v <= self.high]


class Sheet:
    """An SVG to draw on, `WIDTH` wide.

    Args:
        height: Its height.
        title: What it shows, for those who cannot see it.
    """

    def __init__(self, height: int, title: str) -> None:
        self.height = height
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {WIDTH} {height}",
                "role": "img",
                "aria-label": title,
                "width": "100%",
            },
        )
        ElementTree.SubElement(self.root, "style").text = _STYLE.strip()

    def _add(self, name: str, **attributes: object) -> ElementTree.Element:
        texts = {
            key.rstrip("_").replace("_", "-"): _number(value)
            for key, value in attributes.items()
            if value not in (None, "")
        }
        return ElementTree.SubElement(self.root, name, texts)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, class_: str = "", **attributes: object
    ):
        """Draw a straight line.

        Args:
            x1: Start, from the left.
            y1: Start, from the top.
            x2: End, from the left.
            y2: End, from the top.
            class_: Class of the style sheet.
            **attributes: Further SVG attributes, with underscores for hyphens.
        """
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, **attributes)

    def path(
        self, points: Iterable[tuple[float, float]], closed: bool = False, **attributes: object
    ):
        """Draw a line through points.

        Args:
            points: (x, y) of each; without points nothing is drawn.
            closed: Whether the line returns to its start.
            **attributes: Further SVG attributes, with underscores for hyphens.
        """
        places = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if places:
            self._add("path", d=f"M{places}{' Z' if closed else ''}", **attributes)

    def rect(self, x: float, y: float, width: float, height: float, **attributes: object):
        """Draw a filled box.

        Args:
            x: Left edge.
            y: Upper edge.
            width: Width, 0 where it is negative.
            height: Height.
            **attributes: Further SVG attributes, with underscores for hyphens.
        """
        self._add("rect", x=x, y=y, width=max(width, 0), height=height, **attributes)

    def circle(self, x: float, y: float, r: float, **attributes: object):
        """Draw a dot.

        Args:
            x: Centre, from the left.
            y: Centre, from the top.
            r: Radius.
            **attributes: Further SVG attributes, with underscores for hyphens.
        """
        self._add("circle", cx=x, cy=y, r=r, **attributes)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        class_: str = "",
        anchor: str = "",
        **attributes: object,
    ):
        """Write a text.

        Args:
            x: Position, from the left.
            y: Baseline, from the top.
            words: The text, escaped when it is serialised.
            class_: Class of the style sheet.
            anchor: "" for a text that starts at x, 'middle' or 'end'.
            **attributes: Further SVG attributes, with underscores for hyphens.
        """
        self._add("text", x=x, y=y, class_=class_, text_anchor=anchor, **attributes).text = words

    def x_axis(
        self, scale: Scale, y: float, top: float, title: str, show: Callable[[float], str]
    ) -> None:
        """Draw ticks, labels and grid lines of a horizontal axis.

        Args:
            scale: The scale.
            y: Position of the axis.
            top: Upper end of the grid lines.
            title: Title below the axis.
            show: Writes a tick.
        """
        for value in scale.ticks(6):
            self.line(scale(value), top, scale(value), y, "grid")
            self.text(scale(value), y + 18, show(value), anchor="middle")
        for value in scale.minor():
            self.line(scale(value), y, scale(value), y + 3, "axis", stroke_width=0.6)
        self.line(scale.start, y, scale.stop, y, "axis")
        self.text((scale.start + scale.stop) / 2, y + 38, title, anchor="middle")

    def y_axis(
        self, scale: Scale, left: float, right: float, title: str, show: Callable[[float], str]
    ) -> None:
        """Draw labels and grid lines of a vertical axis; its title stands above it.

        Args:
            scale: The scale.
            left: Position of the axis.
            right: Right end of the grid lines.
            title: The title.
            show: Writes a tick.
        """
        for value in scale.ticks(5):
            self.line(left, scale(value), right, scale(value), "grid")
            self.text(left - 8, scale(value) + 4, show(value), anchor="end")
        self.text(0, scale.stop - 18, title)

    def svg(self) -> str:
        """Return the markup."""
        return ElementTree.tostring(self.root, encoding="unicode")


def _number(value: object) -> str:
    return f"{round(value, 1):g}" if isinstance(value, float) else str(value)


def thousands(value: float) -> str:
    """Write a tick of a size.

    Args:
        value: The size.

    Returns:
        Such as '13,264'.
    """
    return f"{value:,.0f}"


def percents(value: float) -> str:
    """Write a tick of a share.

    Args:
        value: The share in percent.

    Returns:
        Such as '95%'.
    """
    return f"{value:g}%"


def changes(value: float) -> str:
    """Write a tick of a relative change.

    Args:
        value: The change in percent.

    Returns:
        Such as '+2%'; the minus is U+2212.
    """
    return f"{value:+g}%".replace("-", "\u2212") if value else "0"


def text_width(words: str, size: float = 12) -> float:
    """Estimate the width of a text, rather too wide.

    Args:
        words: The text.
        size: Size of the font in pixels.

    Returns:
        Pixels.
    """
    return 0.58 * size * len(words)


def free_places(spans: Sequence[tuple[float, float]]) -> list[bool]:
    """Decide which labels have room.

    Args:
        spans: (start, end) of each, in order of importance.

    Returns:
        Whether each overlaps no earlier one that has room.
    """
    taken: list[tuple[float, float]] = []
    free = []
    for start, end in spans:
        clear = all(end < a or start > b for a, b in taken)
        free.append(clear)
        if clear:
            taken.append((start, end))
    return free
