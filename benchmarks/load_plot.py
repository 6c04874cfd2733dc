"""The plot of a load: captioned photos and latency against offered photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from traffic import Load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6e6e6e"  # distinguishable for the colour-blind too
SECONDS = {
    **{0.001: "1 ms", 0.003: "3 ms", 0.01: "10 ms", 0.03: "30 ms", 0.1: "0.1 s", 0.3: "0.3 s"},
    **{1.0: "1 s", 3.0: "3 s", 10.0: "10 s", 30.0: "30 s"},
}
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "lines.linewidth": 2,
    "lines.markersize": 5,
}


def draw(loads: Sequence[Load], model: float, pipeline: float, path: Path) -> None:
    """Write the plot.

    Args:
        loads: those with an offered rate are drawn.
        model: photos per second of the bare model.
        pipeline: photos per second of the bare pipeline.
        path: the file; its suffix gives the format.
    """
    import matplotlib
    from matplotlib.figure import Figure

    rates = sorted((load for load in loads if load.offered), key=_offered)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 7.5), layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=(1, 1.1))
        _draw_rates(above, rates, model, pipeline)
        _draw_seconds(below, rates)
        figure.savefig(path, dpi=150)


def _offered(load: Load) -> float:
    return load.offered or 0.0


def _draw_rates(axes: "Axes", loads: Sequence[Load], model: float, pipeline: float) -> None:
    offered, captioned = [_offered(load) for load in loads], [load.rate for load in loads]
    most = 1.3 * max(model, pipeline)
    wanted = np.geomspace(offered[0], offered[-1], 200)
    # Interpolated on logarithmic axes, because the offered rates grow geometrically.
    known = np.log(offered), np.log(np.maximum(captioned, 1e-9))
    answered = np.exp(np.interp(np.log(wanted), *known))
    unanswered = np.maximum(answered, wanted)
    axes.fill_between(wanted, answered, unanswered, color=ORANGE, alpha=0.12, lw=0)
    axes.plot(wanted, wanted, color=GREY, linestyle=(0, (1, 2)), linewidth=1.5)
    _label(axes, "everything offered", (0.95 * most, 0.95 * most), GREY, (-10, 0))
    axes.plot(wanted, answered, color=BLUE)
    axes.plot(offered, captioned, "o", color=BLUE)
    for name, bound in (("bare model", model), ("bare pipeline, all cores", pipeline)):
        axes.axhline(bound, color=GREY, linewidth=1)
        away = 4 if bound == max(model, pipeline) else -4
        _label(axes, f"{name}: {bound:.0f}", (offered[0], bound), GREY, (4, away))
    _label(axes, "captioned", (offered[-1], captioned[-1]), BLUE, (-2, -8))
    if refused := loads[-1].share_refused:
        middle = (max(model, pipeline) + most) / 2
        _label(axes, f"refused: {refused:.0%} at this end", (offered[-1], middle), ORANGE, (-2, 0))
    axes.set(title="Photos captioned per second", ylim=(0, most))


def _label(
    axes: "Axes", text: str, place: tuple[float, float], color: str, away: tuple[int, int]
) -> None:
    """Write next to a place: `away` is the direction and distance, in points."""
    right, up = away
    axes.annotate(
        text,
        place,
        away,
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="center" if up == 0 else "bottom" if up > 0 else "top",
        color=color,
    )


def _draw_seconds(axes: "Axes", loads: Sequence[Load]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    answering = [load for load in loads if load.captioned]
    offered = [_offered(load) for load in answering]
    shares = {
        share: [float(np.percentile(load.captioned, share)) for load in answering]
        for share in (50, 95, 99)
    }
    axes.fill_between(offered, shares[50], shares[99], color=BLUE, alpha=0.12, linewidth=0)
    for share, style in ((50, "o-"), (95, "o--"), (99, "o:")):
        axes.plot(offered, shares[share], style, color=BLUE, label=f"captioned, p{share}")
    refusing = [load for load in loads if load.refused]
    axes.plot(
        [_offered(load) for load in refusing],
        [float(np.percentile(load.refused, 99)) for load in refusing],
        "s-",
        color=ORANGE,
        label="refused, p99",
    )
    axes.set(
        title="Time from when a photo was due to its answer",
        xlabel="photos offered per second",
        xscale="log",
        yscale="log",
    )
    rates = [_offered(load) for load in loads]
    axes.xaxis.set_major_locator(FixedLocator(rates))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda rate, _: f"{rate:.2g}" if rate < 10 else f"{rate:.0f}")
    )
    axes.yaxis.set_major_locator(FixedLocator(list(SECONDS)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: SECONDS[value]))
    axes.legend(frameon=False)
