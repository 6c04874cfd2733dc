"""Train the classic variants of the captioner one after another, and compare their scores.

    python -m train sweep data/flickr8k runs/sweep --epochs 10 --fine-tune 5 --self-critical 5

LSTM against GRU; dot-product, additive and no attention; small ResNets against large ones; with and
without fine-tuning and self-critical training; greedy decoding against beam search. Each variant is
a run of its own, and each row of `sweep.csv` has the command that trains it alone. `sweep.html`
shows the table; it is rendered again after every variant.

After an interruption, the same command continues; it does not train or score anything twice. On
test, every variant is scored with the decoding that is best for it on val, and the base with every
decoding, to show what it contributes.
"""

import functools
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import tyro

from captioner.checkpoint import CheckpointError
from train import run_folder
from train.data.datasets import Dataset, Split, read
from train.errors import SettingError, TrainError
from train.fit import FitConfig
from train.fitting import imagenet_weights
from train.limits import check
from train.run_folder import read_metrics
from train.self_critical import SelfCriticalConfig
from train.sweep.page import write_page
from train.sweep.results import Results, Row, Trained
from train.sweep.scoring import (
    DECODINGS,
    Candidate,
    Decoding,
    ReadEvaluationSet,
    read_evaluation_set,
)
from train.sweep.steps import Step, command, finish, fork, machines
from train.sweep.variants import BASE, VARIANTS, Plan, Variant

log = logging.getLogger(__name__)

SHORT = 12  # letters of a checkpoint's digest: enough for a few dozen checkpoints


class SweepError(TrainError):
    """A sweep in which some variants failed."""

    def __init__(self, failed: Sequence[str], variants: int) -> None:
        """Name the variants that failed, and say how many there were."""
        super().__init__(
            f"{len(failed)} of {variants} variants failed: {', '.join(failed)}; "
            "run the same command to try them again"
        )
        self.failed, self.variants = tuple(failed), variants


@dataclass(frozen=True)
class SweepConfig:
    """Train and compare the classic variants."""

    data: Annotated[Path, tyro.conf.Positional]  # the dataset's folder
    runs: Annotated[Path, tyro.conf.Positional]  # the folder of the variants' runs
    # NAME=FILE, or a folder of files named like resnet50*.safetensors; variants without a file are
    # left out. Without the option, torchvision's weights are downloaded.
    encoder_weights: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    epochs: int = 10  # on frozen features
    fine_tune: int = 5  # more epochs of the fine-tuned variant; 0 leaves it out
    self_critical: int = 5  # more epochs of the self-critical variant; 0 leaves it out
    only: tuple[str, ...] = ()  # names of variants; by default all
    results: Path = Path("docs/sweep")  # the folder of sweep.csv and sweep.html


def sweep(config: SweepConfig, base: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Train every variant to its end, from wherever it stopped, and score it.

    A variant that fails is reported, and the sweep continues with the others.

    Args:
        config: of the sweep.
        base: fields of `FitConfig` that differ from the defaults in every variant.

    Returns:
        the page.

    Raises:
        DatasetError: nothing can be read from the dataset.
        EncoderWeightsError: the weights that were given cannot be found.
        PathError: a folder cannot be written.
        RunError: the results are not a table of a sweep.
        SettingError: a variant that was asked for does not exist or cannot be trained.
        SweepError: at the end, if variants failed.
    """
    check(config)
    dataset = read(config.data)
    plan = Plan(
        FitConfig(config.data, config.runs / BASE, **{**base, "epochs": config.epochs}),
        imagenet_weights.sources(config.encoder_weights),
        config.fine_tune,
        config.self_critical,
    )
    variants = _chosen(config, plan)
    results = Results(config.results / "sweep.csv")
    page = config.results / "sweep.html"
    evaluation_set = functools.cache(functools.partial(read_evaluation_set, dataset))
    failed = []
    for variant in variants:
        try:
            _sweep_one(variant, plan, dataset, evaluation_set, results)
            write_page(page, results.rows)
        except (CheckpointError, TrainError) as error:
            log.error("%s failed: %s", variant.name, error)
            failed.append(variant.name)
        except Exception:
            log.exception("%s failed", variant.name)
            failed.append(variant.name)
    if failed:
        raise SweepError(failed, len(variants))
    return page


def _chosen(config: SweepConfig, plan: Plan) -> list[Variant]:
    """Return the variants to train, and print which are left out and why."""
    known = [variant.name for variant in VARIANTS]
    unknown = [name for name in config.only if name not in known]
    if unknown:
        raise SettingError("--only", " ".join(unknown), f"among {', '.join(known)}")
    chosen = []
    for variant in VARIANTS:
        if config.only and variant.name not in config.only:
            continue
        why = _impossible(variant, plan)
        if why and variant.name in config.only:
            raise SettingError("--only", variant.name, f"a variant that can be trained ({why})")
        if why:
            print(f"left out: {variant.name} ({why})", flush=True)
        else:
            chosen.append(variant)
    if not chosen:
        raise TrainError("no variant can be trained with these weights")
    return chosen


def _impossible(variant: Variant, plan: Plan) -> str | None:
    if plan.encoder(variant) not in plan.weights:
        return f"no weights for {plan.encoder(variant)}"
    if variant.fine_tuned and not plan.fine_tune:
        return "--fine-tune is 0"
    if variant.self_critical and not plan.self_critical:
        return "--self-critical is 0"
    return None


def _sweep_one(
    variant: Variant,
    plan: Plan,
    dataset: Dataset,
    evaluation_set: ReadEvaluationSet,
    results: Results,
) -> None:
    steps = plan.steps(variant)
    if variant.fine_tuned:
        fork(steps[0], plan.steps(VARIANTS[0])[0])
    for step in steps:
        finish(step)
    candidate = Candidate(steps[-1].run / run_folder.BEST, evaluation_set, plan.base.device)
    with candidate.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:SHORT]
    results.forget_others(variant.name, digest)
    describe = functools.cache(lambda: _describe(variant, steps, dataset, candidate, digest))
    _score(variant, candidate, describe, results)


def _score(
    variant: Variant,
    candidate: Candidate,
    describe: Callable[[], Trained],
    results: Results,
) -> None:
    """Add the rows that are missing: on val all ways of decoding, on test the best of them."""

    def score(split: Split, decoding: Decoding, *, chosen: bool) -> None:
        for row in results.of(variant.name, split):
            if row.decoding == decoding and row.chosen >= chosen:
                return
        scores = candidate.scores(split, decoding, meteor=chosen)
        row = Row.of(describe(), split, decoding, scores, chosen=chosen)
        results.put(row)
        print(row.line(), flush=True)

    for decoding in DECODINGS:
        score("val", decoding, chosen=False)
    best = max(results.of(variant.name, "val"), key=lambda row: row.cider).decoding
    score("val", best, chosen=True)
    score("test", best, chosen=True)
    if variant.name == BASE:
        for decoding in DECODINGS:
            score("test", decoding, chosen=False)


def _describe(
    variant: Variant,
    steps: tuple[Step, ...],
    dataset: Dataset,
    candidate: Candidate,
    digest: str,
) -> Trained:
    first, last = steps[0], steps[-1]
    assert isinstance(first, FitConfig)
    metadata, model = candidate.trained
    config = metadata.config
    epochs = [metrics for step in steps for metrics in read_metrics(step.run / "metrics.csv")]
    return Trained(
        variant=variant.name,
        dataset=dataset.name,
        encoder=config.encoder,
        encoder_weights=Path(first.encoder_weights).name,
        cell=config.cell,
        attention=config.attention_score if config.attention else "none",
        epochs=first.epochs,
        fine_tuned_epochs=first.fine_tune,
        self_critical_epochs=last.epochs if isinstance(last, SelfCriticalConfig) else 0,
        best_epoch=metadata.scores["epoch"],
        parameters=round(sum(p.numel() for p in model.parameters()) / 1e6, 2),
        training_seconds=round(sum(metrics.seconds for metrics in epochs), 1),
        machine="; then ".join(dict.fromkeys(machines(step.run) for step in steps)),
        checkpoint=digest,
        command=" && ".join(command(step) for step in steps),
    )
