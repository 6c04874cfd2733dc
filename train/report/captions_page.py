"""A page with the captions of a checkpoint: the best, the worst, and some at random.

It is one HTML file without dependencies; the photos are in it, scaled down.
"""

import base64
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import decode
from captioner.photo.preprocessing import shrink
from train.report import html
from train.scoring.scores import Scores

PHOTO_SIDE = 224  # longest side in pixels
BIN = 10  # CIDEr points in one bar of the histogram
LAST_BIN = 200  # start of the last bar, which counts everything above


@dataclass(frozen=True)
class Entry:
    """A photo, its caption, and its references."""

    photo: Path
    name: str  # shown below the photo
    caption: str
    references: tuple[str, ...]
    cider: float  # this photo's own, in percent points


@dataclass(frozen=True)
class Shown:
    """How many photos of each kind a report shows."""

    best: int = 50
    worst: int = 50
    random: int = 50
    seed: int = 0  # chooses the random ones


@dataclass(frozen=True)
class _Card:
    picture: str | None  # a data URI; None where the photo cannot be read
    entry: Entry


@dataclass(frozen=True)
class _Bar:
    label: str
    count: int
    height: float  # 0..1, of the highest


def write_report(
    path: Path,
    entries: Sequence[Entry],
    scores: Scores,
    *,
    title: str,
    settings: Mapping[str, str],
    shown: Shown | None = None,
) -> None:
    """Write the report to `path`, whole or not at all; an older one is replaced.

    A photo that cannot be read is shown without its picture.

    Args:
        path: the HTML file; its folder is made if there is none.
        entries: every photo that was scored.
        scores: of all of them.
        title: the checkpoint's name.
        settings: what the scores depend on, for people: beam, length penalty, split.
        shown: how many photos to show.

    Raises:
        ValueError: there are no entries.
        OSError: the file cannot be written.
    """
    if not entries:
        raise ValueError("There is nothing to report: no photo was captioned.")
    best, worst, rest = _choose(entries, shown or Shown())
    sections = (
        ("Best", "best", "The highest CIDEr, highest first", _cards(best)),
        ("Worst", "worst", "The lowest CIDEr, lowest first", _cards(worst)),
        ("Random", "random", "A sample of the photos in between", _cards(rest)),
    )
    html.write(
        path,
        "report.html.jinja",
        title=title,
        figures=_figures(scores),
        facts={
            "Photos": f"{scores.photos:,}",
            **settings,
            "Tokenizer": scores.tokenizer,
            "Different words": f"{scores.distinct_words:,}",
            "Unfinished sentences": f"{scores.dangling:.1f} %",
            **_repeating(scores),
        },
        bars=_histogram([entry.cider for entry in entries]),
        sections=[section for section in sections if section[-1]],
    )


def _choose(entries: Sequence[Entry], shown: Shown) -> tuple[list[Entry], list[Entry], list[Entry]]:
    ranked = sorted(entries, key=lambda entry: (-entry.cider, entry.name))
    best = min(shown.best, (len(ranked) + 1) // 2)
    worst = min(shown.worst, len(ranked) - best)
    between = ranked[best : len(ranked) - worst]
    drawn = random.Random(shown.seed).sample(between, min(shown.random, len(between)))
    return ranked[:best], ranked[len(ranked) - worst :][::-1], drawn


def _repeating(scores: Scores) -> dict[str, str]:
    if scores.repeating is None:
        return {}
    return {"Sentences that repeat a word": f"{scores.repeating:.1f} %"}


def _figures(scores: Scores) -> dict[str, str]:
    values = {
        "CIDEr": scores.cider,
        "BLEU-4": scores.bleu4,
        "BLEU-3": scores.bleu3,
        "BLEU-2": scores.bleu2,
        "BLEU-1": scores.bleu1,
        "METEOR": scores.meteor,
        "ROUGE-L": scores.rouge_l,
        "SPICE": scores.spice,
    }
    return {
        name: "not computed" if value is None else f"{value:.1f}" for name, value in values.items()
    }


def _histogram(ciders: Sequence[float]) -> list[_Bar]:
    counts = [0] * (LAST_BIN // BIN + 1)
    for cider in ciders:
        counts[min(int(cider), LAST_BIN) // BIN] += 1
    labels = [f"{start} to {start + BIN}" for start in range(0, LAST_BIN, BIN)]
    labels.append(f"{LAST_BIN} and more")
    return [
        _Bar(label, count, count / max(counts)) for label, count in zip(labels, counts, strict=True)
    ]


def _cards(entries: Sequence[Entry]) -> list[_Card]:
    return [_Card(_picture(entry.photo), entry) for entry in entries]


def _picture(photo: Path) -> str | None:
    try:
        pixels = shrink(decode(photo.read_bytes(), side=PHOTO_SIDE), PHOTO_SIDE)
    except (BadImage, OSError):
        return None
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
