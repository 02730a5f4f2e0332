"""Evidence for the forecast, its gain over streams, and the head in fewer bits."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import plots
from pages.ui.fields import with_labels
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.forecast.forecast_view import ForecastAnswer
from pages.ui.format import ESTIMATED, FROM_PAPER, plain
from vocabtrim_core.coverage import sampled
from vocabtrim_core.errors import InputError
from vocabtrim_core.figures import evidence as figures
from vocabtrim_core.forecast.concurrency import gains_by_streams
from vocabtrim_core.forecast.evidence import CLASSES, parse, select, shipped
from vocabtrim_core.forecast.evidence_check import Checked, check, score
from vocabtrim_core.forecast.head_format import head_bytes, same_bytes
from vocabtrim_core.wording import expected, signed

ALL = "all"
SERVED_LISTS = (32_768, 65_536)


def streams(answer: ForecastAnswer, assumed: Assumed) -> None:
    """The gain over the number of sequences decoded together.

    Args:
        answer: the forecast.
        assumed: what the forecast assumes.
    """
    architecture, size = answer.tradeoff.architecture, answer.size
    try:
        points = gains_by_streams(assumed.settings, architecture, answer.acceptance, answer.k, size)
    except InputError as error:
        st.info(with_labels(str(error)), icon=":material/groups:")
        return
    st.markdown(
        f"Gain of {answer.k:,} over all {size:,} tokens with more sequences at once, at "
        f"{assumed.settings.context:,} tokens of context each. {ESTIMATED}"
    )
    alt = "Expected gain with its 90 % band over the number of sequences decoded together"
    plots.draw(figures.streams_figure(points, plots.palette()), "streams", alt)
    for point in points:
        if point.reason:
            st.caption(f"{point.streams} sequences: {with_labels(point.reason)}")
            break


def head(answer: ForecastAnswer, assumed: Assumed) -> None:
    """Trim, store in fewer bits, or both.

    Args:
        answer: the forecast.
        assumed: what the forecast assumes.
    """
    architecture, size = answer.tradeoff.architecture, answer.size
    bytes_by_size = head_bytes(architecture, assumed.settings.depth, sampled(1, size, answer.k))
    rows = same_bytes(answer.k, size)
    st.markdown(
        f"{answer.k:,} rows in bf16 take as many bytes as {rows['fp8']:,} in fp8 or "
        f"{rows['int4']:,} in int4. What trimming and fewer bits save adds up. {ESTIMATED}"
    )
    alt = "Share of the head's bytes saved per cycle over k, for bf16, fp8 and int4"
    served = [k for k in SERVED_LISTS if k < size]
    plots.draw(
        figures.head_bytes_figure(bytes_by_size, answer.k, served, plots.palette()),
        "head_bytes",
        alt,
    )


def evidence() -> None:
    """Public measurements and own ones beside the forecast made without them."""
    rows = list(shipped())
    left, right = st.columns([1.5, 1], gap="large")
    with right:
        heads = sorted({row.head for row in rows if row.head})
        devices = sorted({row.device for row in rows if row.device})
        kind = st.selectbox(
            "Class",
            [ALL, *CLASSES],
            format_func=lambda c: c if c == ALL else f"{c}: {CLASSES[c]}",
            key="evidence_class",
        )
        head_kind = st.selectbox("Draft", [ALL, *heads], key="evidence_head")
        device = st.selectbox("Device", [ALL, *devices], key="evidence_device")
        uploaded = st.file_uploader(
            "Your own measurements, CSV",
            "csv",
            max_upload_size=1,
            key="evidence_file",
            help="With the columns of the shipped file; `vocabtrim evidence` reads it too.",
        )
        if uploaded:
            try:
                rows += parse(uploaded.getvalue().decode("utf-8-sig"), uploaded.name)
            except (InputError, UnicodeDecodeError) as error:
                st.error(with_labels(str(error)))
    chosen = {"kind": kind, "head": head_kind, "device": device}
    wanted = {name: value for name, value in chosen.items() if value != ALL}
    checked = [check(row) for row in select(rows, **wanted)]
    with left:
        result = score(checked)
        if result is None:
            st.info("No pair with a forecast among these.", icon=":material/filter_alt_off:")
        else:
            st.markdown(
                f"**{result.inside} of {result.pairs} measured gains lie in the 90 % band** of the "
                f"forecast made without them; the expected gain is off by "
                f"{100 * result.median_error:.1f} points in the median. {FROM_PAPER} and public "
                "sources."
            )
            alt = "Measured gain against the forecast with its 90 % band, one point a measurement"
            plots.draw(figures.evidence_figure(checked, plots.palette()), "evidence", alt)
    st.dataframe(_table(checked), hide_index=True, key="evidence_table")


def _table(checked: list[Checked]) -> pd.DataFrame:
    def verdict(entry: Checked) -> str:
        if entry.inside is None:
            return plain(entry.refused) or "no gain is given"
        return "inside" if entry.inside else "outside"

    return pd.DataFrame(
        {
            "Measurement": [entry.evidence.id for entry in checked],
            "Class": [entry.evidence.kind for entry in checked],
            "Draft": [entry.evidence.head for entry in checked],
            "Device": [entry.evidence.device for entry in checked],
            "k": [entry.evidence.k for entry in checked],
            "of": [entry.evidence.k_base for entry in checked],
            "Measured": [
                "" if entry.evidence.observed is None else signed(entry.evidence.observed)
                for entry in checked
            ],
            "Forecast, 90 % band": [
                expected(*entry.forecast) if entry.forecast else "" for entry in checked
            ],
            "": [verdict(entry) for entry in checked],
            "Source": [entry.evidence.source for entry in checked],
        }
    )
