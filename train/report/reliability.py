"""The reliability diagram: how often captions are right, by their confidence."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from train.report.plots import FAINT_INK, dress, new_figure, save
from train.scoring.calibration_error import BINS, Bin

COLOURS = ("#1a73e8", "#e8710a")


def draw_reliability(splits: Mapping[str, Sequence[Bin]], png: Path) -> None:
    """Draw the share of right captions against their confidence, and how many captions there are.

    Args:
        splits: the bins of each split, by its name; at most two.
        png: the file to write; it is replaced in one step.

    Raises:
        OSError: `png` cannot be written.
    """
    figure = new_figure(11, 4.4)
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.12)
    truth, amount = figure.subplots(1, 2)
    truth.plot((0, 1), (0, 1), color=FAINT_INK, linewidth=1, linestyle="--")
    for place, (name, bins) in enumerate(splits.items()):
        _draw_shares(truth, bins, name, COLOURS[place])
        _draw_counts(amount, bins, name, COLOURS[place], place / len(splits), len(splits))
    for axes, title in ((truth, "Share that is right"), (amount, "Captions")):
        dress(axes, title)
        axes.set_xlabel("confidence")
        axes.set_xlim(0, 1)
        axes.legend(frameon=False)
    truth.set_ylim(0, 1)
    save(figure, png)


def _draw_shares(axes: Axes, bins: Sequence[Bin], name: str, colour: str) -> None:
    shares, counts = np.array([(one.right, one.count) for one in bins]).T
    axes.errorbar(
        [one.confidence for one in bins],
        shares,
        # One standard deviation of a share by chance alone.
        yerr=np.sqrt(shares * (1 - shares) / counts),
        label=name,
        color=colour,
        linewidth=1.8,
        marker="o",
        markersize=4.5,
        elinewidth=1,
        capsize=2.5,
    )


def _draw_counts(
    axes: Axes, bins: Sequence[Bin], name: str, colour: str, shift: float, series: int
) -> None:
    left = [(min(int(one.confidence * BINS), BINS - 1) + shift) / BINS for one in bins]
    counts = [one.count for one in bins]
    axes.bar(left, counts, 1 / BINS / series, align="edge", color=colour, label=name)
