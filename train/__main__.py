"""Offline training: `python -m train COMMAND`; every command has a `--help`."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from captioner.interrupt import INTERRUPTED, end_at_once, ending_at_once

try:
    with ending_at_once("interrupted\n"):
        import torch
        import tyro

        from captioner.checkpoint import CheckpointError
        from captioner.config import ConfigError
        from captioner.options import OptionError
        from captioner.runtime.errors import UnusableError
        from train.calibrate import CalibrateConfig, calibrate
        from train.compare import compare
        from train.data.download import fetch
        from train.errors import SettingError, TrainError
        from train.evaluate import EvaluateConfig, evaluate
        from train.fit import FitConfig, fit
        from train.languages.calibrate import calibrate_languages
        from train.languages.evaluate import evaluate_languages
        from train.languages.fit import fit_languages
        from train.languages.match import match_languages
        from train.languages.self_critical import self_critical_languages
        from train.limits import flag
        from train.match import MatchConfig, match
        from train.name import NameConfig, name
        from train.processes import end_without_others, is_lost, prints, says_what_is_wrong
        from train.self_critical import SelfCriticalConfig, self_critical
        from train.sweep.command import SweepConfig, sweep
except ModuleNotFoundError as error:
    sys.exit(f"{error}. Training needs: pip install -e '.[train]'")


LOST = (
    "another process of this run has ended, and its output says why; to continue, use the same "
    "command and --resume on all machines"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 after printing what is wrong, or 130 after Ctrl-C."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    commands: dict[str, Callable[..., None]] = {
        "download": download,
        "fit": fit_command,
        "self-critical": self_critical_command,
        "evaluate": evaluate_command,
        "match": match_command,
        "calibrate": calibrate_command,
        "name": name_command,
        "compare": compare_command,
        "sweep": sweep_command,
    }
    interruption, lost = "", False
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands, prog="python -m train", description=__doc__, args=arguments
        )
    except ConfigError as error:
        problem = str(SettingError(flag(error.field), error.value, error.allowed))
    except OptionError as error:
        problem = f"{flag(error.field)} {error.reason}"
    except UnusableError as error:
        problem = f"{flag(error.setting)} {error.reason}"
    except (CheckpointError, TrainError) as error:
        problem = str(error)
    except torch.OutOfMemoryError:
        problem = "the GPU has too little memory for this; lower --photos, the photos in a step"
    except RuntimeError as error:
        if not is_lost(error):
            raise
        lost, problem = True, LOST
    except OSError as error:  # a full disk, for example
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except KeyboardInterrupt as interrupt:
        interruption = str(interrupt) or "interrupted"
    else:
        return 0
    # Only now, because the progress bars that were interrupted go with the exception.
    if interruption:
        if prints():
            print(interruption, file=sys.stderr)
        return INTERRUPTED
    if says_what_is_wrong(lost=lost):
        print(f"error: {problem}", file=sys.stderr)
    return 1


def download(
    name: Annotated[Literal["flickr8k", "flickr30k", "coco"], tyro.conf.Positional],
    folder: Annotated[Path, tyro.conf.Positional],
) -> None:
    """Download a dataset; after an interruption, run it again to continue.

    Args:
        name: the dataset.
        folder: where to put it.
    """
    with _continued():
        fetch(name, folder)


def fit_command(config: Annotated[FitConfig, tyro.conf.arg(name="")]) -> None:
    """Fit a captioner: first on frozen features, then end to end."""
    with _continued(config.run):
        best = fit_languages(config) if config.languages else fit(config)
        if prints():
            print(f"best checkpoint: {best}")


def self_critical_command(
    config: Annotated[SelfCriticalConfig, tyro.conf.arg(name="")],
) -> None:
    """Train a checkpoint further, with the CIDEr-D of its own captions as the reward."""
    with _continued(config.run):
        best = self_critical_languages(config) if config.languages else self_critical(config)
        if prints():
            print(f"best checkpoint: {best}")


def evaluate_command(config: Annotated[EvaluateConfig, tyro.conf.arg(name="")]) -> None:
    """Score a checkpoint on one split of a dataset, and write a report."""
    if config.languages:
        evaluate_languages(config)
    else:
        evaluate(config)


def match_command(config: Annotated[MatchConfig, tyro.conf.arg(name="")]) -> None:
    """Fit the embeddings that rerank captions by how well they match a photo, and measure them."""
    with _continued():
        if config.languages:
            match_languages(config)
        else:
            match(config)


def calibrate_command(config: Annotated[CalibrateConfig, tyro.conf.arg(name="")]) -> None:
    """Fit confidences and the out-of-distribution detector, and measure both."""
    if config.languages:
        calibrate_languages(config)
    else:
        calibrate(config)


def name_command(config: Annotated[NameConfig, tyro.conf.arg(name="")]) -> None:
    """Make the file that names objects in photos, and measure it."""
    name(config)


def compare_command(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("runs/comparison"),
) -> None:
    """Compare runs in one table and one plot.

    Args:
        runs: folders of runs.
        out: where `compare.csv` and `compare.png` are written.
    """
    print(compare(runs, out))


def sweep_command(config: Annotated[SweepConfig, tyro.conf.arg(name="")]) -> None:
    """Train the classic variants one after another, and compare their scores on one page."""
    with _continued():
        print(f"page: {sweep(config)}")


@contextmanager
def _continued(run: Path | None = None) -> Iterator[None]:
    """After Ctrl-C, say how to continue: a run with --resume once it has its folder."""
    try:
        yield
    except KeyboardInterrupt:
        resumed = run is not None and (run / "config.json").exists()
        option = " and --resume" if resumed else ""
        raise KeyboardInterrupt(f"interrupted; to continue, use the same command{option}") from None


if __name__ == "__main__":
    status = main()
    end_at_once()  # while threads end, Ctrl-C would leave a traceback
    if status:
        end_without_others(status)
    sys.exit(status)
