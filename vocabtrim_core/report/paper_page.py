"""The paper beside the shipped counts as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2

import vocabtrim_core
from vocabtrim_core.figures.paper import AXES, PaperLine, frontier_info, samples_info, utility_info
from vocabtrim_core.paper.compare import panels
from vocabtrim_core.paper.counts import sample_sizes, tradeoff
from vocabtrim_core.paper.missing import REASON, looked_up
from vocabtrim_core.report import pdf
from vocabtrim_core.report.page import HERE, style_sheet
from vocabtrim_core.report.svg import ACCENT, WARN, WIDTH, Scale, Sheet, thousands
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.shipped.sets import manifest
from vocabtrim_core.workspace.files import write_atomic


def paper_html(measurements: Sequence[Measurement] = ()) -> str:
    """Write the comparison as one HTML document, with nothing to load and no script.

    Args:
        measurements: Stored measurements, for tables 2, 3 and 6.

    Returns:
        The document.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    objective = tradeoff()
    drawn = {
        "Figure 1": utility_info(objective),
        "Figure 2": frontier_info(objective),
        "Figure 3": samples_info(sample_sizes()),
    }
    return environment.get_template("paper.html.j2").render(
        panels=panels(measurements),
        figures={place: _svg(place, info) for place, info in drawn.items()},
        missing=looked_up(),
        missing_reason=REASON,
        sources=manifest()["sources"],
        aggregated=manifest()["aggregated"],
        css=style_sheet(),
        version=vocabtrim_core.__version__,
    )


def write_paper(out: Path, measurements: Sequence[Measurement] = ()) -> Path:
    """Write the comparison as HTML, or print it as PDF.

    Args:
        out: The .html or .pdf to write.
        measurements: Stored measurements, for tables 2, 3 and 6.

    Returns:
        The file.

    Raises:
        InputError: It cannot be written, or a PDF is wanted and there is no Chromium.
    """
    if out.suffix.lower() != ".pdf":
        return write_atomic(out, paper_html(measurements).encode())
    pdf.required()
    with TemporaryDirectory() as folder:
        page = Path(folder) / "paper.html"
        page.write_text(paper_html(measurements), "utf-8")
        return pdf.print_pdf(page, out)


def _svg(place: str, info: PaperLine) -> str:
    x_title, y_title, is_log, suffix = AXES[place]
    sheet = Sheet(300, f"{place}: {y_title} against {x_title}")
    xs = [*info.x, *(x for x, _, _ in info.paper)]
    ys = [*info.y, *(y for _, y, _ in info.paper)]
    margin = 0.1 * (max(ys) - min(ys))
    x = Scale(float(min(xs)), float(max(xs)), 64, WIDTH - 60, log=is_log)
    y = Scale(float(min(ys)) - margin, float(max(ys)) + margin, 248, 40)

    def across(value: float) -> str:
        return f"{value:g}{suffix}" if suffix else thousands(value)

    def upwards(value: float) -> str:
        return f"{value:g}{suffix}" if value < 1_000 else thousands(value)

    sheet.y_axis(y, 64, WIDTH - 60, y_title, upwards)
    sheet.x_axis(x, 248, 40, x_title, across)
    places = [(x(float(a)), y(float(b))) for a, b in zip(info.x, info.y, strict=True)]
    sheet.path(places, stroke=ACCENT, stroke_width=2.2)
    for points, colour, below in ((info.ours, ACCENT, 18), (info.paper, WARN, -10)):
        for at, height, name in points:
            sheet.circle(x(at), y(height), 4.5, fill="#fff", stroke=colour, stroke_width=2)
            sheet.text(x(at), y(height) + below, name, "s b", "middle")
    return sheet.svg()
