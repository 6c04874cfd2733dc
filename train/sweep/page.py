"""The page of a sweep: the effect of each choice, every score, and what cannot be compared.

It is one HTML file without dependencies, rendered from the rows of the table alone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.report import html
from train.sweep.results import Row
from train.sweep.variants import BASE, VARIANTS


@dataclass(frozen=True)
class _Bar:
    label: str
    row: Row  # on test
    val: Row | None
    note: str  # "base", or how far it is from the base


@dataclass(frozen=True)
class _Chart:
    question: str
    bars: Sequence[_Bar]


@dataclass(frozen=True)
class _Column:
    title: str
    value: Callable[[Row], float | None]
    form: Callable[[float], str]
    best: Callable[[Iterable[float]], float] = max
    like: Callable[[Row], object] = lambda row: (row.tokenizer, row.photos)  # comparable if equal


@dataclass(frozen=True)
class _Cell:
    text: str
    best: bool


@dataclass(frozen=True)
class _Table:
    split: str
    rows: Sequence[tuple[Row, Sequence[_Cell]]]


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write the page to `path`, whole or not at all; an older one is replaced.

    Args:
        path: the HTML file; its folder is made if there is none.
        rows: of a sweep's table, at least one; variants without scores on test are named.

    Raises:
        ValueError: there are no rows.
        OSError: the file cannot be written.
    """
    if not rows:
        raise ValueError("There is nothing to show: no variant was scored.")
    chosen = {split: [r for r in rows if (r.split, r.chosen) == (split, True)] for split in _SPLITS}
    grid = [row for row in rows if (row.variant, row.split) == (BASE, "test")]
    html.write(
        path,
        "sweep.html.jinja",
        facts=_facts(rows),
        charts=_charts(chosen["test"], chosen["val"]),
        decoding=_decoding(grid, rows),
        limit=_limit(row.cider for row in [*chosen["test"], *chosen["val"], *grid]),
        titles=[column.title for column in _COLUMNS],
        tables=[_table(split, chosen[split]) for split in _SPLITS if chosen[split]],
        warnings=_warnings(rows, chosen["test"]),
        training=_training,
        words={variant.name: variant.what for variant in VARIANTS},
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _tenths(value: float) -> str:
    return f"{value:.1f}"


_SPLITS = ("test", "val")
_NAMES = {"flickr8k": "Flickr8k", "flickr30k": "Flickr30k", "coco": "COCO", "folder": "a folder"}
_COLUMNS = (
    _Column("CIDEr", lambda row: row.cider, _tenths),
    _Column("BLEU-1", lambda row: row.bleu1, _tenths),
    _Column("BLEU-4", lambda row: row.bleu4, _tenths),
    _Column("METEOR", lambda row: row.meteor, _tenths),
    _Column("ROUGE-L", lambda row: row.rouge_l, _tenths),
    _Column("Words", lambda row: row.distinct_words, "{:,.0f}".format),
    _Column("Dangling", lambda row: row.dangling, "{:.1f} %".format, min),
    _Column("Parameters", lambda row: row.parameters, "{:.1f} M".format, min, lambda row: None),
    _Column("Training", lambda row: row.training_seconds, _duration, min, lambda row: row.machine),
)


def _training(row: Row) -> str:
    parts = [f"{row.epochs} epochs, encoder frozen"]
    if row.fine_tuned_epochs:
        parts.append(f"{row.fine_tuned_epochs} end to end")
    if row.self_critical_epochs:
        parts.append(f"{row.self_critical_epochs} self-critical")
    return " + ".join(parts)


# A question, the variants that answer it, and their labels in its chart.
_QUESTIONS: tuple[tuple[str, tuple[str, ...], Callable[[Row], str]], ...] = (
    (
        "Which attention?",
        ("no-attention", "additive", BASE),
        lambda row: {"dot": "dot-product"}.get(row.attention, row.attention),
    ),
    ("Which recurrent cell?", ("gru", BASE), lambda row: row.cell.upper()),
    (
        "Which encoder?",
        ("resnet18", "resnet34", BASE, "resnet101", "resnet152"),
        lambda row: row.encoder.replace("resnet", "ResNet-"),
    ),
    ("Which training?", (BASE, "fine-tuned", "self-critical"), _training),
)


def _charts(test: Sequence[Row], val: Sequence[Row]) -> list[_Chart]:
    """Return a chart for each question with at least two scored variants."""
    by_name = {row.variant: row for row in test}
    on_val = {row.variant: row for row in val}
    charts = []
    for question, names, label in _QUESTIONS:
        rows = [by_name[name] for name in names if name in by_name]
        bars = [_Bar(label(r), r, on_val.get(r.variant), _note(r, by_name)) for r in rows]
        if len(bars) > 1:
            charts.append(_Chart(question, bars))
    return charts


def _note(row: Row, by_name: dict[str, Row]) -> str:
    if row.variant == BASE:
        return "base"
    if BASE not in by_name:
        return ""
    distance = round(row.cider - by_name[BASE].cider, 1)
    return f"{distance:+.1f}" if distance else "\N{PLUS-MINUS SIGN}0.0"


def _decoding(grid: Sequence[Row], rows: Sequence[Row]) -> _Chart | None:
    val = {row.decoding: row for row in rows if (row.variant, row.split) == (BASE, "val")}
    bars = [
        _Bar(row.decoding.name(), row, val.get(row.decoding), "chosen" if row.chosen else "")
        for row in grid
    ]
    return _Chart("Which decoding?", bars) if len(bars) > 1 else None


def _limit(ciders: Iterable[float]) -> float:
    """Return the end of the scale: the next multiple of ten above the highest bar."""
    return 10 * max(1, math.ceil(max(ciders, default=0) / 10))


def _table(split: str, rows: Sequence[Row]) -> _Table:
    columns = [_column(column, rows) for column in _COLUMNS]
    return _Table(split, list(zip(rows, zip(*columns, strict=True), strict=True)))


def _column(column: _Column, rows: Sequence[Row]) -> list[_Cell]:
    values = [column.value(row) for row in rows]
    present = [value for value in values if value is not None]
    alike = len({column.like(row) for row in rows}) == 1
    # None is best if they cannot be compared, or are all the same.
    best = column.best(present) if alike and len(set(present)) > 1 else None
    return [
        _Cell("n/a" if value is None else column.form(value), value is not None and value == best)
        for value in values
    ]


def _facts(rows: Sequence[Row]) -> dict[str, str]:
    photos = {
        split: sorted({row.photos for row in rows if row.split == split}) for split in _SPLITS
    }
    counted = [f"{' or '.join(f'{n:,}' for n in photos[s])} {s}" for s in _SPLITS if photos[s]]
    return {
        "Dataset": ", ".join(sorted({_NAMES.get(row.dataset, row.dataset) for row in rows})),
        "Photos scored": " and ".join(counted),
        "Trained on": "; ".join(dict.fromkeys(row.machine for row in rows)),
        "Epochs": _epochs(rows),
        "Decoding chosen": "on val, by CIDEr, for each variant",
        "Tokens": ", ".join(sorted({row.tokenizer for row in rows})),
    }


def _epochs(rows: Sequence[Row]) -> str:
    def count(values: Iterable[int]) -> str:
        return " or ".join(f"{value:,}" for value in sorted({value for value in values if value}))

    tuned = count(row.fine_tuned_epochs for row in rows)
    critical = count(row.self_critical_epochs for row in rows)
    parts = [f"{count(row.epochs for row in rows)} with the encoder frozen"]
    parts += [f"{tuned} more where fine-tuned"] * bool(tuned)
    parts += [f"{critical} more where self-critical"] * bool(critical)
    return ", ".join(parts)


def _warnings(rows: Sequence[Row], test: Sequence[Row]) -> list[str]:
    """Return the differences between rows other than those that are compared."""
    found = []
    for what, values in (
        ("Datasets", {row.dataset for row in rows}),
        ("Tokenizers", {row.tokenizer for row in rows}),
        ("Numbers of test photos", {str(row.photos) for row in test}),
        ("Epochs on frozen features", {str(row.epochs) for row in rows}),
        ("Machines that trained, and so training times,", {row.machine for row in rows}),
    ):
        if len(values) > 1:
            found.append(f"{what} differ between variants: {'; '.join(sorted(values))}.")
    names = {row.variant for row in rows}
    waiting = names - {row.variant for row in test}
    if waiting:
        found.append(f"Not scored on test yet: {', '.join(sorted(waiting))}.")
    missing = [variant.name for variant in VARIANTS if variant.name not in names]
    if missing:
        found.append(f"Not in this sweep: {', '.join(missing)}.")
    return found
