"""Score a checkpoint on a split, and write a report that a person can look at.

    python -m train evaluate captioner/weights/default.safetensors --data data/flickr8k

Several beam widths and length penalties are compared when several are given; pick them on
`--split val`, and score once on test.
"""

import dataclasses
import json
import logging
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from captioner import checkpoint
from captioner.checkpoint import Checkpoint
from captioner.decoding import Options
from captioner.eager import pick_device
from captioner.image import BadImage, decode
from train.datasets import DatasetError, Record, Split, read
from train.report import Entry, write_report
from train.scores import Scorer, Scores
from train.speaking import look, speak

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a checkpoint on one split of a dataset."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    data: Path = Path("data/flickr8k")  # the dataset's folder
    split: Split = "test"
    beam: tuple[int, ...] = (Options.beam,)  # widths to compare; 1 is greedy
    length_penalty: tuple[float, ...] = (Options.length_penalty,)
    spice: bool = False  # also SPICE; downloads CoreNLP at first use
    out: Path | None = None  # folder of the results; the checkpoint's run, or evaluation/
    save: Path | None = None  # also write the checkpoint here, with its scores in it
    device: str = "auto"


@dataclass(frozen=True)
class Result:
    """What one way of decoding scored."""

    options: Options
    scores: Scores
    captions: dict[str, str]  # by photo

    def summary(self, split: Split) -> dict[str, Any]:
        """Return the figures with all that they depend on."""
        return {
            "split": split,
            "beam": self.options.beam,
            "length_penalty": self.options.length_penalty,
            **asdict(self.scores),
        }


def evaluate(config: EvaluateConfig) -> Result:
    """Caption a split with every combination asked for; write and return the best by CIDEr.

    Writes `scores.json`, `captions.json` and `report.html`.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DatasetError: the dataset or its split cannot be read.
    """
    trained = checkpoint.load(config.checkpoint)
    records, photos = _photos(read(config.data).split(config.split), trained)
    device = pick_device() if config.device == "auto" else config.device
    model = trained.model.to(device)
    grids = look(model, photos, device, preprocessing=trained.preprocessing, precise=True)
    scorer = Scorer({str(record.photo): record.captions for record in records})
    results = []
    for beam, penalty in product(config.beam, config.length_penalty):
        options = Options(beam=beam, length_penalty=penalty)
        found = speak(model, grids, options, device)
        captions = {
            str(record.photo): trained.vocabulary.decode(hypotheses[0].tokens)
            for record, hypotheses in zip(records, found, strict=True)
        }
        results.append(Result(options, scorer.scores(captions), captions))
        print(_line(results[-1]), flush=True)
    best = max(results, key=lambda result: result.scores.cider)
    scores = scorer.scores(best.captions, meteor=True, spice=config.spice)
    best = dataclasses.replace(best, scores=scores)
    out = config.out or _folder(config.checkpoint)
    _write(out, best, config, records, scorer)
    print(f"{_table(best.scores)}\nreport: {out / 'report.html'}")
    if config.save:
        scored = dataclasses.replace(trained, scores=best.summary(config.split))
        checkpoint.save(config.save, scored)
    return best


def _photos(
    records: tuple[Record, ...], trained: Checkpoint
) -> tuple[list[Record], np.ndarray[Any, Any]]:
    readable, photos = [], []
    for record in records:
        try:
            photo = decode(record.photo.read_bytes(), side=trained.preprocessing.size)
        except (BadImage, OSError) as error:
            log.warning("%s is left out: %s", record.photo, error)
            continue
        readable.append(record)
        photos.append(trained.preprocessing.squeeze(photo).transpose(2, 0, 1))
    if not readable:
        raise DatasetError(f"none of the {len(records)} photos can be read")
    return readable, np.stack(photos)


def _folder(path: Path) -> Path:
    in_run = (path.parent / "config.json").exists()
    return path.parent if in_run else Path("evaluation") / path.stem


def _line(result: Result) -> str:
    scores, options = result.scores, result.options
    return (
        f"beam {options.beam}  length penalty {options.length_penalty:g}  "
        f"BLEU-4 {scores.bleu4:.1f}  CIDEr {scores.cider:.1f}  "
        f"{scores.distinct_words} words  {scores.dangling:.1f} % dangling"
    )


def _table(scores: Scores) -> str:
    rows = [(name, value) for name, value in asdict(scores).items() if value is not None]
    return "\n".join(
        f"{name:15} {value:.2f}" if isinstance(value, float) else f"{name:15} {value}"
        for name, value in rows
    )


def _write(
    out: Path, best: Result, config: EvaluateConfig, records: list[Record], scorer: Scorer
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    summary = best.summary(config.split)
    (out / "scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    named = {Path(photo).name: caption for photo, caption in best.captions.items()}
    (out / "captions.json").write_text(json.dumps(named, indent=2, ensure_ascii=False) + "\n")
    by_photo = scorer.cider_per_photo(best.captions)
    entries = [
        Entry(r.photo, best.captions[str(r.photo)], r.captions, by_photo[str(r.photo)])
        for r in records
    ]
    settings = {
        "split": config.split,
        "beam width": str(best.options.beam),
        "length penalty": f"{best.options.length_penalty:g}",
    }
    write_report(
        out / "report.html",
        entries,
        best.scores,
        title=config.checkpoint.name,
        settings=settings,
    )
