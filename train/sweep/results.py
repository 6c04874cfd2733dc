"""The results of a sweep: a CSV with a row for each variant, split and way of decoding."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from captioner.files import replacing
from train.data.datasets import Split
from train.run_folder import RunError
from train.scoring.scores import Scores
from train.sweep.scoring import Decoding
from train.sweep.variants import VARIANTS


@dataclass(frozen=True)
class Trained:
    """A trained variant."""

    variant: str
    dataset: str
    encoder: str
    encoder_weights: str  # the file's name
    cell: str
    attention: str  # "dot", "additive" or "none"
    epochs: int  # on frozen features
    fine_tuned_epochs: int  # after them, end to end
    self_critical_epochs: int  # after them, with the reward
    best_epoch: int  # the scored one, of the variant's last run
    parameters: float  # millions, encoder included
    training_seconds: float  # all epochs with their validation
    machine: str  # which trained it
    checkpoint: str  # the start of the file's SHA-256
    command: str  # which trains it from scratch


@dataclass(frozen=True)
class Row(Trained):
    """The scores of a variant on one split with one way of decoding, in percent points."""

    split: str
    beam: int
    length_penalty: float | None  # None: greedy
    chosen: bool  # whether this way of decoding is the best on val
    photos: int
    bleu1: float
    bleu4: float
    rouge_l: float
    cider: float
    meteor: float | None  # None: not computed
    distinct_words: int
    dangling: float  # percent of the captions
    tokenizer: str

    @classmethod
    def of(
        cls, trained: Trained, split: Split, decoding: Decoding, scores: Scores, *, chosen: bool
    ) -> Self:
        """Make a row with rounded scores, so a row that is read again is the same."""
        return cls(
            **asdict(trained),
            split=split,
            beam=decoding.beam,
            length_penalty=decoding.length_penalty,
            chosen=chosen,
            photos=scores.photos,
            bleu1=round(scores.bleu1, 2),
            bleu4=round(scores.bleu4, 2),
            rouge_l=round(scores.rouge_l, 2),
            cider=round(scores.cider, 2),
            meteor=None if scores.meteor is None else round(scores.meteor, 2),
            distinct_words=scores.distinct_words,
            dangling=round(scores.dangling, 2),
            tokenizer=scores.tokenizer,
        )

    @property
    def decoding(self) -> Decoding:
        """How the captions were decoded."""
        return Decoding(self.beam, self.length_penalty)

    def line(self) -> str:
        """Format as one line."""
        chosen = "  best on val" if self.chosen else ""
        return (
            f"{self.variant:14s} {self.split:4s}  {self.decoding.name():25s}  "
            f"BLEU-4 {self.bleu4:.1f}  CIDEr {self.cider:.1f}  {self.distinct_words} words{chosen}"
        )


class Results:
    """The rows of a CSV, which is replaced at every change, in one step."""

    def __init__(self, path: Path) -> None:
        """Read the rows of the file, if it exists.

        Raises:
            RunError: the file is not a table of a sweep.
        """
        self.path = path
        self.rows: list[Row] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                lines = list(csv.DictReader(file))
            try:
                self.rows = [_row(line) for line in lines]
            except (KeyError, TypeError, ValueError) as error:
                raise RunError(
                    path,
                    f"not a table of a sweep ({error!r}); name another folder with --results, "
                    "or move it away",
                ) from error

    def of(self, variant: str, split: Split) -> list[Row]:
        """Return the rows of a variant on a split."""
        return [row for row in self.rows if (row.variant, row.split) == (variant, split)]

    def put(self, row: Row) -> None:
        """Add a row; it replaces an older one of the same variant, split and decoding."""
        same = (row.variant, row.split, row.decoding)
        kept = [r for r in self.rows if (r.variant, r.split, r.decoding) != same]
        self._write([*kept, row])

    def forget_others(self, variant: str, checkpoint: str) -> None:
        """Remove the rows of a variant that are of another checkpoint."""
        kept = [row for row in self.rows if row.variant != variant or row.checkpoint == checkpoint]
        if len(kept) < len(self.rows):
            self._write(kept)

    def _write(self, rows: Iterable[Row]) -> None:
        self.rows = sorted(rows, key=_place)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        names = sorted((field.name for field in fields(Row)), key=lambda name: name in _LONG)
        with replacing(self.path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_texts(row) for row in self.rows)


_LONG = ("machine", "checkpoint", "command")  # columns that come last


def _place(row: Row) -> tuple[Any, ...]:
    names: Sequence[str] = [variant.name for variant in VARIANTS]
    place = names.index(row.variant) if row.variant in names else len(names)
    return place, row.variant, row.split != "val", row.beam, row.length_penalty or 0.0


def _texts(row: Row) -> dict[str, Any]:
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else value
        for name, value in asdict(row).items()
    }


def _truth(text: str) -> bool:
    return {"yes": True, "no": False}[text]


_READ: dict[Any, Any] = {
    str: str,
    int: int,
    float: float,
    bool: _truth,
    float | None: lambda text: float(text) if text else None,
}


def _row(line: dict[str, str]) -> Row:
    return Row(**{field.name: _READ[field.type](line[field.name]) for field in fields(Row)})
