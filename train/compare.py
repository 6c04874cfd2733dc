"""`python -m train compare RUN...`: one table and one plot of several training runs."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from captioner.files import replacing
from train.errors import SettingError
from train.limits import check_folder
from train.report.plots import INK, dress, new_figure, save
from train.run_folder import Metrics, RunError, best_epoch, read_metrics

_METRICS = {"bleu4": "BLEU-4", "meteor": "METEOR", "cider": "CIDEr"}
_HOW_SCORED = ("beam", "length_penalty", "matching", "tokenizer")
_MAIN_SETTINGS = ("encoder", "cell", "attention")
_NOTHING = "-"

Cell = str | int | float


@dataclass(frozen=True)
class Run:
    """One training run."""

    name: str
    settings: dict[str, str]  # of training and of scoring
    epochs: list[Metrics]
    scores: dict[str, float]  # "test CIDEr" -> percent points; empty if it was not evaluated


def compare(runs: Sequence[Path], out: Path) -> str:
    """Compare training runs by their settings, validation curves and final scores.

    Args:
        runs: folders with `config.json` and `metrics.csv`, and `scores.json` once evaluated.
        out: the folder for `compare.csv` and `compare.png`; each is replaced in one step.

    Returns:
        the table as aligned text, one line for each run in the given order, scores in percent
        points. A setting has a column if at least two runs differ in it.

    Raises:
        SettingError: no run is given.
        RunError: a folder is not a run.
        PathError: `out` cannot be written.
    """
    if not runs:
        raise SettingError("RUNS", "empty", "one or more folders of training runs")
    check_folder(out, "--out cannot be this folder")
    read = [_read_run(folder, name) for folder, name in zip(runs, _names(runs), strict=True)]
    table = _table(read)
    _write_csv(table, out / "compare.csv")
    _draw(read, out / "compare.png")
    return "\n".join([*_shared(read), *_aligned(table)])


def _names(folders: Sequence[Path]) -> list[str]:
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _read_run(folder: Path, name: str) -> Run:
    missing = [file for file in ("config.json", "metrics.csv") if not (folder / file).is_file()]
    if missing:
        lacks = f"it has no {' and no '.join(missing)}"
        problem = lacks if folder.is_dir() else "there is no such folder"
        raise RunError(
            folder, f"not a training run: {problem}; name folders that `python -m train fit` made"
        )
    try:
        config = _read_json(folder / "config.json")
        epochs = read_metrics(folder / "metrics.csv")
        evaluation = _read_evaluation(folder / "scores.json")
        scores = _scores(evaluation)
    except (OSError, TypeError, ValueError) as error:
        raise RunError(folder, f"not a complete training run: {error}") from error
    how_scored = {key: evaluation[key] for key in _HOW_SCORED if key in evaluation}
    settings = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in (config | how_scored).items()
    }
    return Run(name, settings, epochs, scores)


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} must hold a JSON object")
    return value


def _read_evaluation(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    evaluation = _read_json(path)
    scores = evaluation.pop("scores", {})
    if not isinstance(scores, dict):
        raise TypeError(f'"scores" in {path.name} must be a JSON object')
    return {**scores, **evaluation}


def _scores(evaluation: Mapping[str, Any]) -> dict[str, float]:
    split = evaluation.get("split", "test")
    return {
        f"{split} {title}": float(evaluation[key])
        for key, title in _METRICS.items()
        if evaluation.get(key) is not None
    }


def _table(runs: Sequence[Run]) -> list[list[Cell]]:
    settings = _differing(runs)
    scores = _score_columns(runs)
    table: list[list[Cell]] = [
        ["run", *settings, "epochs done", "best val CIDEr", "in epoch", *scores],
    ]
    for run in runs:
        best = best_epoch(run.epochs)
        row: list[Cell] = [run.name, *(run.settings.get(key, _NOTHING) for key in settings)]
        row += [len(run.epochs), best.val_cider, best.epoch]
        row += [run.scores.get(column, _NOTHING) for column in scores]
        table.append(row)
    return table


def _differing(runs: Sequence[Run]) -> list[str]:
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [key for key in keys if len(_values(runs, key)) > 1]


def _shared(runs: Sequence[Run]) -> list[str]:
    shared = [(key, _values(runs, key)) for key in _MAIN_SETTINGS]
    settings = ", ".join(f"{key} {values.pop()}" for key, values in shared if len(values) == 1)
    return [f"in every run: {settings}", ""] if settings and len(runs) > 1 else []


def _values(runs: Sequence[Run], key: str) -> set[str]:
    return {run.settings[key] for run in runs if key in run.settings}


def _score_columns(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(column for run in runs for column in run.scores))


def _aligned(table: Sequence[Sequence[Cell]]) -> list[str]:
    columns = []
    for cells in zip(*table, strict=True):
        texts = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
        width = max(map(len, texts))
        numeric = any(isinstance(cell, int | float) for cell in cells)
        columns.append([text.rjust(width) if numeric else text.ljust(width) for text in texts])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _write_csv(table: Sequence[Sequence[Cell]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            ["" if cell == _NOTHING else cell for cell in row] for row in table
        )


def _draw(runs: Sequence[Run], png: Path) -> None:
    palette = matplotlib.colormaps["tab10" if len(runs) <= 10 else "tab20"]
    colours = [palette(place % palette.N) for place in range(len(runs))]
    scored = any(run.scores for run in runs)
    figure = new_figure(11 if scored else 7, 4.8 + 0.2 * len(runs))
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.12)
    panels = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    lines = []
    for place, run in enumerate(runs):
        lines += panels[0].plot(
            [metrics.epoch for metrics in run.epochs],
            [metrics.val_cider for metrics in run.epochs],
            color=colours[place],
            linewidth=1.8,
            marker="o",
            markersize=3.5,
        )
    dress(panels[0], "Validation CIDEr")
    panels[0].set_xlabel("epoch")
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if scored:
        _draw_bars(panels[1], runs, colours)
    # The names are set afterwards, because _ and $ have a meaning in labels.
    legend = figure.legend(
        lines, ["run"] * len(runs), loc="outside lower left", frameon=False, labelcolor=INK
    )
    for text, run in zip(legend.get_texts(), runs, strict=True):
        text.set_parse_math(False)
        text.set_text(run.name)
    save(figure, png)


def _draw_bars(
    axes: Axes, runs: Sequence[Run], colours: Sequence[tuple[float, float, float, float]]
) -> None:
    columns = _score_columns(runs)
    scored = [(place, run) for place, run in enumerate(runs) if run.scores]
    width = 0.8 / len(scored)
    for slot, (place, run) in enumerate(scored):
        offset = (slot - (len(scored) - 1) / 2) * width
        present = [column for column in columns if column in run.scores]
        bars = axes.bar(
            [columns.index(column) + offset for column in present],
            [run.scores[column] for column in present],
            width * 0.92,
            color=colours[place],
        )
        if len(scored) <= 4:
            axes.bar_label(bars, fmt="{:.1f}", fontsize=8, padding=2, color=INK)
    dress(axes, "Final scores")
    axes.grid(visible=False, axis="x")
    axes.set_xticks(range(len(columns)), columns)
