"""Score a checkpoint on a split, and write a report.

    python -m train evaluate captioner/weights/default.safetensors --data data/flickr8k

Given several beam widths, length penalties or weights of matching, it compares all combinations.
Choose on `--split val`, then score once on test.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.confidence import Calibration, Features, confidence
from captioner.options import ANOTHER, Options
from captioner.runtime import select
from captioner.runtime.protocols import Memory, Network
from captioner.shipped import find
from train.captioning import best_captions, decode_all, encode_all
from train.data.datasets import Record, Split, read, short_names
from train.data.photos import read_photos
from train.data.words import warn
from train.errors import SettingError
from train.limits import Limit, check, check_folder, flag
from train.report.captions_page import Entry, write_report
from train.run_folder import results_folder
from train.scoring.calibration_error import calibration_error
from train.scoring.diversity import diversity
from train.scoring.scores import Scorer, Scores

SIDE = Limit("at least 32", lambda value: value >= 32)  # a ResNet halves its input five times


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a checkpoint on one split of a dataset."""

    checkpoint: Annotated[Path, tyro.conf.Positional]  # a file, or default or small
    data: Path = Path("data/flickr8k")  # the dataset's folder
    split: Split = "test"  # which photos
    beam: tuple[int, ...] = (Options.beam,)  # widths to compare; 1 is greedy
    length_penalty: tuple[float, ...] = (Options.length_penalty,)  # 0 prefers short captions
    matching: tuple[float, ...] = (Options.matching,)  # weights to compare; 0 does not rerank
    repeat_words: bool = False  # allow what the search forbids: "a dog and a dog"
    size: int | None = None  # side of the square in pixels, if not the checkpoint's
    another: bool = False  # also measure the diversity of the captions sampled for "Another"
    runtime: Literal["torch", "onnx"] = "torch"  # onnx: the network exported from the checkpoint
    spice: bool = False  # also SPICE; downloads CoreNLP at first use
    out: Path | None = None  # the folder of results; by default the checkpoint's run
    save: Path | None = None  # write the checkpoint here, with its scores
    languages: Path | None = None  # a folder: score the languages of its captions instead
    language: str | None = None  # with --languages: only this one
    device: str = "auto"  # as PyTorch names it


@dataclass(frozen=True)
class Result:
    """The captions of one way of decoding, and their scores."""

    options: Options
    scores: Scores
    captions: dict[str, str]  # by the photo's short name
    confidences: dict[str, float]  # by the photo's short name, 0..1
    calibration_error: float | None = None  # expected, 0..1; None if the model is not calibrated

    def summary(self, split: Split) -> dict[str, Any]:
        """Return the scores and everything that they depend on."""
        return {
            "split": split,
            "beam": self.options.beam,
            "length_penalty": self.options.length_penalty,
            "matching": self.options.matching,
            "repeat_words": self.options.repeat_words,
            **asdict(self.scores),
            "calibration_error": self.calibration_error,
        }


def evaluate(config: EvaluateConfig) -> Result:
    """Caption a split with every combination of the options; write and return the best by CIDEr.

    Writes `scores.json`, `captions.json` and `report.html`.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DatasetError: the dataset or its split cannot be read.
        OptionError: a way of decoding makes no sense.
        PathError: the results cannot be written.
        SettingError: a setting has a value that is not allowed.
    """
    check(config, size=SIDE)
    out = config.out or results_folder(config.checkpoint)
    check_folder(out, "cannot be the folder of the results; choose another with --out")
    ways = _ways(config)
    path = find(config.checkpoint)
    trained, model = checkpoint.load(path)
    trained = _sized(trained, config)
    _, network = select.load(path, config.device, config.runtime)
    dataset = read(config.data)
    warn(dataset.split(config.split), trained.vocabulary)
    records, photos = read_photos(dataset.split(config.split), trained.preprocessing)
    every = short_names([record.photo for record in dataset.records], config.data)
    names = [every[record.photo] for record in records]
    memories = list(encode_all(network, photos, len(photos)))
    references = [record.captions for record in records]
    scorer = Scorer(dict(zip(names, references, strict=True)), language=trained.language)
    results = []
    for options in ways:
        found = decode_all(network, memories, options, trained.matching, trained.small_words)
        captions = dict(zip(names, best_captions(found, trained.vocabulary), strict=True))
        confidences = {
            name: confidence(Features.of(hypotheses[0]), trained.calibration)
            for name, hypotheses in zip(names, found, strict=True)
        }
        results.append(Result(options, scorer.scores(captions), captions, confidences))
        print(_line(results[-1]), flush=True)
    best = max(results, key=lambda result: result.scores.cider)
    scores = scorer.scores(best.captions, meteor=True, spice=config.spice)
    error = _calibration_error(best, trained.calibration, scorer)
    best = dataclasses.replace(best, scores=scores, calibration_error=error)
    _write(out, best, config, dict(zip(names, records, strict=True)), scorer)
    print(_table(best.scores))
    if error is not None:
        print(f"{'calibration':15} {error:.3f}, expected error")
    if config.another:
        print(diversity(_others(network, memories, trained, names), scorer).line())
    print(f"report: {out / 'report.html'}")
    if config.save:
        scored = dataclasses.replace(trained, scores=best.summary(config.split))
        checkpoint.save(config.save, scored, model)
    return best


def _ways(config: EvaluateConfig) -> list[Options]:
    for name in ("beam", "length_penalty", "matching"):
        if not getattr(config, name):
            raise SettingError(flag(name), "empty", "followed by one value or more")
    return [
        Options(
            beam=beam,
            length_penalty=penalty,
            matching=matching,
            repeat_words=config.repeat_words,
        )
        for beam, penalty, matching in product(config.beam, config.length_penalty, config.matching)
    ]


def _sized(trained: Metadata, config: EvaluateConfig) -> Metadata:
    if config.size is None:
        return trained
    if config.runtime == "onnx":
        raise SettingError(
            "--size", config.size, "left out: an exported network takes photos of one size"
        )
    preprocessing = dataclasses.replace(trained.preprocessing, size=config.size)
    return dataclasses.replace(trained, preprocessing=preprocessing)


def _others(
    network: Network[Any], memories: list[Memory[Any]], trained: Metadata, names: Sequence[str]
) -> dict[str, list[str]]:
    found = decode_all(network, memories, ANOTHER, trained.matching, trained.small_words)
    return {
        name: [trained.vocabulary.decode(one.tokens) for one in hypotheses]
        for name, hypotheses in zip(names, found, strict=True)
    }


def _calibration_error(
    result: Result, calibration: Calibration | None, scorer: Scorer
) -> float | None:
    if calibration is None:
        return None
    cider = scorer.cider_per_photo(result.captions)
    right = np.array([cider[photo] > calibration.right for photo in result.confidences])
    return calibration_error(np.array(list(result.confidences.values())), right)


def _line(result: Result) -> str:
    scores, options = result.scores, result.options
    return (
        f"beam {options.beam}  length penalty {options.length_penalty:g}  "
        f"matching {options.matching:g}  BLEU-4 {scores.bleu4:.1f}  CIDEr {scores.cider:.1f}  "
        f"{scores.distinct_words} words  {scores.dangling:.1f} % dangling"
        + ("" if scores.repeating is None else f"  {scores.repeating:.1f} % repeating")
    )


def _table(scores: Scores) -> str:
    rows = [(name, value) for name, value in asdict(scores).items() if value is not None]
    return "\n".join(
        f"{name:15} {value:.2f}" if isinstance(value, float) else f"{name:15} {value}"
        for name, value in rows
    )


def _write(
    out: Path, best: Result, config: EvaluateConfig, records: Mapping[str, Record], scorer: Scorer
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    summary = best.summary(config.split)
    (out / "scores.json").write_text(json.dumps(summary, indent=2) + "\n")
    captions = json.dumps(best.captions, indent=2, ensure_ascii=False)
    (out / "captions.json").write_text(captions + "\n")
    by_photo = scorer.cider_per_photo(best.captions)
    entries = [
        Entry(record.photo, name, best.captions[name], record.captions, by_photo[name])
        for name, record in records.items()
    ]
    settings = {
        "split": config.split,
        "beam width": str(best.options.beam),
        "length penalty": f"{best.options.length_penalty:g}",
        "matching": f"{best.options.matching:g}",
    }
    write_report(
        out / "report.html",
        entries,
        best.scores,
        title=config.checkpoint.name,
        settings=settings,
    )
