"""The checkpoint that a run starts from."""

import dataclasses
from pathlib import Path

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata
from captioner.config import ModelConfig
from captioner.model import Model
from captioner.shipped import find
from captioner.vocabulary import Vocabulary


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
