"""What a run starts from: a checkpoint, and its own folder if it is resumed."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata
from captioner.config import ModelConfig
from captioner.model import Model
from captioner.shipped import find
from captioner.vocabulary import Vocabulary
from train import run_folder
from train.processes import Peers, restarted


def load_start(
    path: Path | None, config: ModelConfig, vocabulary: Vocabulary
) -> tuple[Metadata, Model] | None:
    """Load the checkpoint to start from, if there is one.

    Raises:
        CheckpointError: it cannot be read, or is of another network than `config`, apart from the
            encoder and dropout, or of other words.
    """
    if path is None:
        return None
    metadata, model = checkpoint.load(find(path))
    for name, value in dataclasses.asdict(config).items():
        given = getattr(metadata.config, name)
        if given != value and name not in ("dropout", "encoder"):
            raise CheckpointError(path, f"its {name} is {given}, not {value}")
    if metadata.vocabulary.words != vocabulary.words:
        raise CheckpointError(path, "its vocabulary is not this dataset's")
    return metadata, model


def begin(
    run: Path,
    arguments: Mapping[str, Any],
    config: ModelConfig,
    vocabulary: Vocabulary,
    source: str,
    peers: Peers,
    *,
    resume: bool,
) -> None:
    """Have the first process make a run's folder, or check that the run to resume is the same.

    Args:
        run: its folder.
        arguments: of the run.
        config: of the network.
        vocabulary: of the network.
        source: the option that both come from, for the error.
        peers: the processes that train it.
        resume: whether to continue it; that is also done if torchrun started the processes again.

    Raises:
        CheckpointError: the run's checkpoint cannot be read.
        RunError: the folder holds another run, or there is nothing to resume.
    """
    if peers.first:
        resume = resume or (restarted() and (run / "config.json").exists())
        if resume:
            run_folder.check_resumed(run, arguments, config, vocabulary, source)
        run_folder.prepare(run, arguments, resume=resume)
    peers.wait()
