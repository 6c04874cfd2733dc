"""A second opinion on photos that the model of captions does not know: names of what they show.

That model has learned its words from photos of people and dogs outdoors. For a cat or a cup of
coffee, an EfficientNet-Lite (see `captioner.export.efficientnet`) that tells ImageNet's 1,000
classes apart knows the word. `python -m train name` makes its file, calibrates it and measures it.
The file ships with the program, and serves beside every checkpoint.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as serialize

from captioner.checkpoint import CheckpointError, read
from captioner.cores import cores
from captioner.files import replacing
from captioner.naming.object_names import ObjectNames, softmax
from captioner.result import NamedObject
from captioner.runtime.onnx_decoder import session
from captioner.runtime.protocols import Floats, Squares
from captioner.shipped import WEIGHTS

FORMAT = "photo-captioner-naming-1"
NAMING = WEIGHTS / "naming.onnx.safetensors"
NAMES = WEIGHTS / "naming.tsv"


@dataclass(frozen=True)
class NamingConfig:
    """How the classifier is used; its file carries it."""

    size: int  # side of its photos in pixels
    temperature: float = 1.0  # see `softmax`
    threshold: float = 1.0  # the least probability of a name that is said

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and name their field."""
        if not (isinstance(self.size, int) and self.size > 0):
            raise ValueError(f"naming: size is {self.size!r}; it must be a whole number above 0")
        for field in ("temperature", "threshold"):
            value = getattr(self, field)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"naming: {field} is {value!r}; it must be above 0 and finite")


class Naming:
    """The classifier, an ONNX Runtime session on the CPU, with its calibration and its names."""

    def __init__(
        self, network: npt.NDArray[np.uint8], names: ObjectNames, config: NamingConfig
    ) -> None:
        """Start the session.

        Args:
            network: the bytes of its ONNX graph; see `captioner.export.efficientnet`.
            names: of its classes.
            config: how it is used.

        Raises:
            RuntimeError: ONNX Runtime cannot use the graph.
            ValueError: the graph has another number of classes.
        """
        self.names, self.config = names, config
        self._session = session(network, cores())
        classes = self._session.get_outputs()[0].shape[-1]
        if classes != len(names.paths):
            raise ValueError(f"the network has {classes} classes, the table {len(names.paths)}")

    @classmethod
    def load(cls, path: Path = NAMING, names: Path = NAMES) -> Self:
        """Read the classifier's file and the table of its names.

        Raises:
            CheckpointError: a file is missing, damaged, or not what it should be.
        """
        header, tensors = read(path, "np")
        try:
            table = ObjectNames.read(names)
        except FileNotFoundError as error:
            raise CheckpointError(names, "there is no such file") from error
        except (OSError, ValueError) as error:
            raise CheckpointError(names, f"not a table of names ({error})") from error
        try:
            config = _config(header)
            return cls(tensors["network"], table, config)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(path, f"not a file for naming ({error!r})") from error

    def name(self, photos: Squares) -> list[tuple[NamedObject, ...]]:
        """Name what photos show, each photo by itself; see `ObjectNames.sure`.

        Args:
            photos: `(photos, size, size, 3)`, uint8; see `photo.preprocessing.middle`.

        Returns:
            the names of each photo that are sure enough to be said, the likeliest first.
        """
        probabilities = softmax(self.logits(photos), self.config.temperature)
        return [self.names.sure(classes, self.config.threshold) for classes in probabilities]

    def logits(self, photos: Squares) -> Floats:
        """Classify photos, see `name`: `(photos, classes)`; see `softmax`."""
        # One by one, as `OnnxNetwork.encode` does: a batch of 16 would take 85 MB more.
        one_by_one = [self._session.run(None, {"photos": photo[None]}) for photo in photos]
        return np.concatenate([logits for (logits,) in one_by_one])


def save(path: Path, network: bytes, config: NamingConfig) -> None:
    """Write the classifier's file; it appears whole or not at all."""
    header = {"format": FORMAT, "naming": json.dumps(asdict(config))}
    with replacing(path) as part:
        part.write_bytes(serialize({"network": np.frombuffer(network, np.uint8)}, header))


def _config(header: Mapping[str, str]) -> NamingConfig:
    if header.get("format") != FORMAT:
        raise ValueError(f"its metadata must name format {FORMAT!r}")
    return NamingConfig(**json.loads(header["naming"]))
