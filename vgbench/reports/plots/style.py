"""How pictures look: SVG that is legible on a light and on a dark page, in colours that everybody can tell apart."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine, LayoutEngine

from vgbench.storage.files import write_atomically

INK, FAINT = "#333438", "#b9bcc4"
"""Colour of text and axes, and of grids."""
ON_DARK = {INK: "#d6d8dd", FAINT: "#4b4e57", "#0072b2": "#3fa0dd"}
"""What takes their place where the reader prefers a dark page."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's without black, which a dark page would swallow; lines differ in their dashes as well."""
DASHES = ("-", "--", "-.", ":")

_FRACTION = re.compile(r"(?<=[ \"LMCQ(,])-?\d+\.\d{3,}(?=[ \n\"),])")

_STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "vgbench",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}


def style() -> Any:
    """Context in which figures are made and written."""
    return mpl.rc_context(_STYLE)


def canvas(width: float, height: float, layout: LayoutEngine | None = None) -> Figure:
    """Empty figure of a size in inches whose parts do not overlap; without a window, so that it needs no screen."""
    made = Figure(figsize=(width, height), layout=layout or "constrained")
    FigureCanvasAgg(made)
    return made


def figure(width: float, height: float) -> Figure:
    """Empty figure for `svg`: with some room around its parts, since a browser's fonts are wider or narrower."""
    return canvas(width, height, ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))


def save_png(made: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG, whole or not at all."""
    write_atomically(path, lambda partial: made.savefig(partial, format="png", dpi=dpi))


CEILING = 0.6
"""Rates that are all above it have an axis that begins below the lowest."""
FORMATS = ("png", "pdf", "svg")
"""What a picture may be written as."""


def save(made: Figure, path: Path) -> None:
    """Write a figure in the format that the file's name ends in, on white, whole or not at all."""
    form = path.suffix.removeprefix(".").lower()
    made.set_facecolor("white")
    # Without the date, so that the same records give the same bytes.
    about: Any = {"Date": None} if form == "svg" else {"CreationDate": None} if form == "pdf" else None
    write_atomically(path, lambda partial: made.savefig(partial, format=form, dpi=150, metadata=about))


def line(index: int) -> dict[str, Any]:
    """Colour and dashes of the curve with a number."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.4}


def grid(axes: Axes) -> None:
    """Faint lines at the ticks, below the curves."""
    axes.grid(True)
    axes.set_axisbelow(True)


def rate_axis(axes: Axes, lows: Iterable[float]) -> None:
    """Show rates from 0 to 1; from the lowest end of an interval up where all are near 1, and so would be one line."""
    lowest = min(lows, default=0.0)
    bottom = math.floor(20 * (lowest - 0.01)) / 20 if lowest > CEILING else -0.02
    axes.set_ylim(bottom, 1 + 0.02 * (1 - max(bottom, 0.0)))


def svg(made: Figure) -> bytes:
    """Return a figure as SVG, the same bytes for the same picture; its ink follows the reader's light or dark page."""
    import io

    stream = io.BytesIO()
    # Not `savefig`, which draws all of it once more, for the layout alone.
    made.set_dpi(90)
    FigureCanvasSVG(made).print_svg(stream, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    dark = "".join(
        f'[style*="{name}: {light}"]{{{name}:{dark} !important}}'
        for light, dark in ON_DARK.items()
        for name in ("fill", "stroke")
    )
    # Hundredths of a point are enough, and half of the bytes.
    text = _FRACTION.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), stream.getvalue().decode())
    text = text[text.index("<svg") :]  # without the address of a document type, which a reader might go and fetch
    head, mark, rest = text.partition("<defs>")
    return f"{head}<style>@media (prefers-color-scheme: dark){{{dark}}}</style>{mark}{rest}".encode()
