"""Fit the confidences of captions, and the detector of photos that are out of distribution.

    python -m train calibrate runs/first/best.safetensors --data data/flickr8k --save FILE

The confidence is fitted on the validation split, to the log-probabilities of a caption's words and
to how well the caption matches its photo; it is measured there by cross-validation, and on the test
split. The detector is fitted to the photos of the training split, encoded without augmentation; its
threshold comes from the validation split. `--save` writes a checkpoint with both.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.confidence import Calibration, Features
from captioner.options import Options
from captioner.out_of_distribution import OutOfDistributionDetector
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.protocols import Floats, Runnable
from captioner.runtime.pytorch import PyTorchNetwork
from captioner.shipped import find
from train.captioning import best_captions, decode_all, encode_all
from train.data.datasets import DatasetError, Record, read
from train.data.photos import check_readable, read_photos, readable
from train.data.words import warn
from train.fitting import confidence, out_of_distribution
from train.limits import check, check_folder
from train.report.reliability import draw_reliability
from train.run_folder import results_folder
from train.scoring.calibration_error import Reals, Truths, calibration_error, reliability
from train.scoring.scores import Scorer

DOUBTS = (1 / 4, 1 / 3, 1 / 2)  # confidences below which a bot might express doubt


@dataclass(frozen=True)
class CalibrateConfig:
    """Fit confidences and the out-of-distribution detector, and measure both."""

    checkpoint: Annotated[Path, tyro.conf.Positional]  # a file, or default or small
    data: Path = Path("data/flickr8k")  # the dataset's folder
    languages: Path | None = None  # a folder: calibrate the languages of its captions instead
    right: float = confidence.RIGHT  # CIDEr-D, percent points; a caption above it is right
    beam: int = Options.beam  # width of the beam search; 1 is greedy
    length_penalty: float = Options.length_penalty  # of the beam search; 0 prefers short captions
    out: Path | None = None  # the folder of results; by default the checkpoint's run
    save: Path | None = None  # write the checkpoint here, with what was fitted
    device: str = "auto"  # as PyTorch names it


@dataclass(frozen=True)
class Captioned:
    """The captions of a split, as features and scores."""

    features: Reals  # (photos, features), of each caption
    cider: Reals  # (photos,), each caption's own CIDEr-D in percent points
    start_states: Floats  # (photos, size), of the decoder


def calibrate(config: CalibrateConfig) -> Metadata:
    """Caption val and test, encode train, fit, measure, and print and draw the result.

    Writes `reliability.png`, and the checkpoint where `config.save` says.

    Returns:
        the checkpoint's metadata, with what was fitted.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DatasetError: the dataset or one of its splits cannot be read, or is too small.
        OptionError: the beam or the length penalty makes no sense.
        PathError: the results cannot be written.
        SettingError: another setting has a value that is not allowed.
    """
    check(config)
    out = config.out or results_folder(config.checkpoint)
    check_folder(out, "cannot be the folder of the results; choose another with --out")
    options = Options(beam=config.beam, length_penalty=config.length_penalty)
    trained, model = checkpoint.load(find(config.checkpoint))
    network = PyTorchNetwork(model, trained.preprocessing, config.device)
    dataset = read(config.data)
    train = dataset.split("train")
    for split in (dataset.split("val"), dataset.split("test"), train):
        check_readable(split, trained.preprocessing)
    warn(dataset.split("val"), trained.vocabulary)
    val, test = (
        _caption(trained, network, dataset.split(name), options) for name in ("val", "test")
    )
    if len(val.cider) < 2:
        raise DatasetError("one validation photo is too few to fit on")
    fitted = confidence.fit(val.features, val.cider, config.right)
    training = start_states(network, train, trained.preprocessing)
    detector = out_of_distribution.fit(training, val.start_states)
    held_out = confidence.cross_validated(val.features, val.cider, config.right)
    splits = {
        "val, cross-validated": (held_out, val.cider > config.right),
        "test": (confidence.probabilities(fitted, test.features), test.cider > config.right),
    }
    print(_formula(fitted))
    for name, measured in splits.items():
        print(_line(name, *measured))
    for doubt in DOUBTS:
        print(_below(doubt, held_out, val.cider))
    print(_detected(detector, test.start_states))
    png = out / "reliability.png"
    draw_reliability({name: reliability(*measured) for name, measured in splits.items()}, png)
    print(f"plot: {png}")
    calibrated = dataclasses.replace(trained, calibration=fitted, out_of_distribution=detector)
    if config.save:
        checkpoint.save(config.save, calibrated, model)
    return calibrated


def _caption(
    trained: Metadata, network: Runnable[Any], records: Sequence[Record], options: Options
) -> Captioned:
    used, photos = read_photos(records, trained.preprocessing)
    memories = list(encode_all(network, photos, len(photos)))
    found = decode_all(network, memories, options, trained.matching, trained.small_words)
    references = {str(record.photo): record.captions for record in used}
    captions = dict(zip(references, best_captions(found, trained.vocabulary), strict=True))
    cider = Scorer(references, language=trained.language).cider_per_photo(captions)
    return Captioned(
        np.array([Features.of(hypotheses[0]) for hypotheses in found]),
        np.array([cider[name] for name in references]),
        np.concatenate([network.start_states(memory) for memory in memories]),
    )


def start_states(
    network: Runnable[Any], records: Sequence[Record], preprocessing: Preprocessing
) -> Floats:
    """Encode photos, and keep only the decoder's start states: `(photos, size)`.

    Only one batch of photos is in memory at a time; those that cannot be read are left out.

    Raises:
        DatasetError: none can be read.
    """
    squares = (square for _, square in readable(records, preprocessing))
    memories = encode_all(network, squares, len(records))
    return np.concatenate([network.start_states(memory) for memory in memories])


def _formula(fitted: Calibration) -> str:
    return (
        f"right: CIDEr-D above {fitted.right:g}; its logit: {fitted.intercept:.2f} "
        f"{fitted.mean:+.2f} x mean log-probability of a word {fitted.length:+.3f} x words "
        f"{fitted.match:+.2f} x match"
    )


def _line(name: str, confidences: Reals, right: Truths) -> str:
    log_loss = -np.log(np.where(right, confidences, 1 - confidences)).mean()
    return (
        f"{name:20}  right {100 * right.mean():.1f} %  log loss {log_loss:.3f}  "
        f"calibration error {calibration_error(confidences, right):.3f}"
    )


def _below(doubt: float, confidences: Reals, cider: Reals) -> str:
    below = confidences < doubt
    parts = [f"{cider[part].mean():.1f}" if part.any() else "-" for part in (below, ~below)]
    return (
        f"below {doubt:.2f}: {100 * below.mean():.1f} % of the validation captions, "
        f"CIDEr {parts[0]}; the others {parts[1]}"
    )


def _detected(detector: OutOfDistributionDetector, start_states: Floats) -> str:
    share = detector.detect(start_states).mean()
    return (
        f"out of distribution: distance above {detector.threshold:.2f}, the "
        f"{out_of_distribution.PERCENTILE}th percentile of val; {100 * share:.1f} % of test"
    )
