"""Pictures of a training run: its curves, and a sheet of photos with their captions."""

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from captioner.files import replacing
from captioner.photo.decode import decode
from train.run_folder import Metrics, best_epoch, read_metrics

INK, FAINT_INK, GRID = "#202124", "#80868b", "#e8eaed"
SIDE = 400  # of a photo on a sheet, at most, in pixels
_BLUE, _ORANGE, _GREEN, _PURPLE = "#1a73e8", "#e8710a", "#188038", "#9334e6"


@dataclass(frozen=True)
class Sample:
    """A validation photo, its caption, and one reference."""

    photo: Path
    caption: str
    reference: str


def draw_curves(metrics: Path, png: Path) -> None:
    """Draw the losses and the validation scores of a run against its epochs.

    Args:
        metrics: the run's `metrics.csv`; see `read_metrics`.
        png: the file to write; it is replaced in one step.

    Raises:
        OSError: `metrics` cannot be read or `png` cannot be written.
        ValueError: see `read_metrics`.
    """
    epochs = read_metrics(metrics)
    numbers = [epoch.epoch for epoch in epochs]
    best = best_epoch(epochs)
    figure = new_figure(11, 4.4)
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.12)
    losses, scores = figure.subplots(1, 2)

    _line(losses, numbers, [epoch.train_loss for epoch in epochs], "train", _BLUE)
    _line(losses, numbers, [epoch.val_loss for epoch in epochs], "validation", _ORANGE)
    _line(scores, numbers, [epoch.val_cider for epoch in epochs], "CIDEr", _GREEN)
    _line(scores, numbers, [epoch.val_bleu4 for epoch in epochs], "BLEU-4", _PURPLE)
    scores.plot(
        best.epoch,
        best.val_cider,
        "o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=INK,
        label=f"best: {best.val_cider:.1f} in epoch {best.epoch}",
    )
    for axes, title in ((losses, "Loss"), (scores, "Validation scores")):
        dress(axes, title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        _mark_phases(axes, epochs)
        axes.axvline(best.epoch, color=INK, linewidth=0.8, linestyle=":", zorder=1)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
    save(figure, png)


def draw_sample_sheet(samples: Sequence[Sample], png: Path, columns: int = 4) -> None:
    """Draw photos in rows, each with its caption in bold and its reference in grey below.

    Args:
        samples: at least one; every photo must be readable by Pillow.
        png: the file to write; it is replaced in one step.
        columns: photos in a row, at least one.

    Raises:
        OSError: a photo cannot be read or `png` cannot be written.
        ValueError: no sample, or no column.
    """
    if not samples or columns < 1:
        raise ValueError("a sample sheet needs at least one sample and one column")
    columns = min(columns, len(samples))
    rows = [samples[start : start + columns] for start in range(0, len(samples), columns)]
    texts = [[_wrap(sample) for sample in row] for row in rows]
    # Inches. 0.19 is one line of 10 point type with its leading.
    wide, high, gap, line = 2.4, 2.4, 0.3, 0.19
    depths = [line * max(len(bold) + len(grey) for bold, grey in row) for row in texts]
    width = gap + columns * (wide + gap)
    height = gap + sum(high + depth + 1.5 * gap for depth in depths)

    figure = new_figure(width, height)
    top = height - gap
    for row, row_texts, depth in zip(rows, texts, depths, strict=True):
        for column, (sample, (bold, grey)) in enumerate(zip(row, row_texts, strict=True)):
            left = gap + column * (wide + gap)
            box = (left / width, (top - high) / height, wide / width, high / height)
            axes = figure.add_axes(box, anchor="SW")
            axes.imshow(_thumbnail(sample.photo))
            axes.set_axis_off()
            below = top - high - 0.4 * gap
            _write(figure, left / width, below / height, bold, INK, "bold")
            below -= line * len(bold) + 0.2 * gap
            _write(figure, left / width, below / height, grey, FAINT_INK, "normal")
        top -= high + depth + 1.5 * gap
    save(figure, png)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure, sized in inches, that needs neither a screen nor pyplot."""
    figure = Figure(figsize=(width, height), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str) -> None:
    """Give the axes the look that all plots share: a title on the left and a faint grid."""
    axes.set_title(title, loc="left", fontweight="bold", color=INK, pad=18)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT_INK)


def save(figure: Figure, png: Path) -> None:
    """Write the figure as PNG, making the folder; a reader sees the old picture or the new one."""
    png.parent.mkdir(parents=True, exist_ok=True)
    with replacing(png) as part, warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; a warning for each would say no more.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(part, format="png")


def _line(axes: Axes, x: Sequence[int], y: Sequence[float], label: str, colour: str) -> None:
    axes.plot(x, y, label=label, color=colour, linewidth=1.8, marker="o", markersize=3.5)


def _mark_phases(axes: Axes, epochs: Sequence[Metrics]) -> None:
    middle = (epochs[0].epoch + epochs[-1].epoch) / 2
    for before, after in pairwise(epochs):
        if before.phase == after.phase:
            continue
        change = after.epoch - 0.5
        axes.axvline(change, color=FAINT_INK, linewidth=1, linestyle="--", zorder=1)
        axes.text(
            change,
            1.02,
            after.phase,
            transform=axes.get_xaxis_transform(),
            color=FAINT_INK,
            fontsize=9,
            ha="left" if change < middle else "right",
            parse_math=False,
        )


def _wrap(sample: Sample) -> tuple[list[str], list[str]]:
    # 2.4 inches hold this many average letters of DejaVu Sans: 10 point bold, 10 point regular.
    bold = textwrap.wrap(sample.caption, 27, max_lines=4, placeholder=" …")
    grey = textwrap.wrap(sample.reference, 31, max_lines=5, placeholder=" …")
    return bold, grey


def _write(
    figure: Figure, x: float, y: float, lines: Sequence[str], colour: str, weight: str
) -> None:
    figure.text(
        x,
        y,
        "\n".join(lines),
        color=colour,
        fontweight=weight,
        fontsize=10,
        va="top",
        linespacing=1.25,
        parse_math=False,
    )


def _thumbnail(photo: Path) -> np.ndarray:
    # Whatever the model can read can be drawn.
    picture = Image.fromarray(decode(photo.read_bytes(), side=SIDE))
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture)
