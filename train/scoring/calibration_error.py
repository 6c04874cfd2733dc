"""Whether captions are right as often as their confidences say, in figures and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from train.report.plots import FAINT_INK, dress, new_figure, save

BINS = 10  # of equal width
COLOURS = ("#1a73e8", "#e8710a")

Reals = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bin:
    """The captions whose confidences lie in one tenth of 0..1."""

    confidence: float  # mean, 0..1
    right: float  # share of them that is right, 0..1
    count: int  # at least one


def reliability(confidences: Reals, right: Truths) -> list[Bin]:
    """Put captions side by side with what was said of them, the least certain first.

    Args:
        confidences: `(captions,)`, 0..1.
        right: `(captions,)`.
    """
    places = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        Bin(float(confidences[here].mean()), float(right[here].mean()), int(here.sum()))
        for here in (places == place for place in range(BINS))
        if here.any()
    ]


def calibration_error(confidences: Reals, right: Truths) -> float:
    """Return the expected calibration error, 0..1 (C. Guo et al., ICML 2017).

    It is how far confidence and truth lie apart in a bin, in the mean over all captions. By chance
    alone it is not 0 where there is no fault: of 1,000 captions it is about 0.03 then.

    Args:
        confidences: `(captions,)`, 0..1; at least one.
        right: `(captions,)`.
    """
    bins = reliability(confidences, right)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / len(confidences)


def draw_reliability(splits: Mapping[str, Sequence[Bin]], png: Path) -> None:
    """Draw how often captions are right against their confidences, and how many captions these are.

    Args:
        splits: the bins of each split, by what it is called; two at the most.
        png: where the picture goes; it is replaced in one step.

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
        # What chance alone does to a share: one standard deviation.
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
    axes: Axes, bins: Sequence[Bin], name: str, colour: str, shift: float, beside: int
) -> None:
    left = [(min(int(one.confidence * BINS), BINS - 1) + shift) / BINS for one in bins]
    counts = [one.count for one in bins]
    axes.bar(left, counts, 1 / BINS / beside, align="edge", color=colour, label=name)
