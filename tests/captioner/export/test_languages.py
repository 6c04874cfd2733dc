"""The exported decoders of languages compute what PyTorch does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from captioner.languages.decoders import Decoders
from captioner.languages.file import LanguagesFile
from captioner.model import Memory
from captioner.runtime.language_network import LanguageNetwork
from captioner.vocabulary import START
from tests.captioner.languages.speaking import speaking

pytest.importorskip("onnx")

from captioner.export.languages import export_languages
from captioner.export.layers import IN_8_BITS, IN_32_BITS, Arithmetic
from captioner.runtime.onnx_decoder import Memory as Arrays
from captioner.runtime.onnx_languages import OnnxLanguages


@pytest.mark.parametrize(("arithmetic", "most"), [(IN_32_BITS, 1e-4), (IN_8_BITS, 0.5)])
@pytest.mark.parametrize("code", ["de", "zh"])
def test_each_step_gives_the_words_that_pytorch_gives(
    tmp_path: Path, code: str, arithmetic: Arithmetic, most: float
) -> None:
    metadata, model = speaking(tmp_path)
    file = LanguagesFile(tmp_path / "languages.safetensors")
    output = tmp_path / "languages.onnx.safetensors"
    torch.manual_seed(1)
    with torch.inference_mode():
        memory = model.encode(torch.randn(2, 3, 64, 64))
    largest = float(memory.regions.abs().max())
    export_languages(model, file, arithmetic, largest, output)
    words = len(file.metadata(code, metadata).vocabulary)
    decoders = Decoders.load(file, model)
    start = tuple(part.detach() for part in decoders.start(code))
    precise = LanguageNetwork(decoders.model(code, model.encoder), start).begin(memory)
    exported = OnnxLanguages(file).network(code).begin(arrays(memory))

    tokens, parents = np.full((2, 1), START), np.arange(2)[:, None]
    for _ in range(4):
        first, second = (state.step(tokens, parents, words) for state in (precise, exported))
        by_word = [
            np.take_along_axis(found.logprobs, found.ids.argsort(-1), -1)
            for found in (first, second)
        ]
        assert np.abs(by_word[0] - by_word[1]).mean() < most
        assert np.ptp(by_word[0]) > 1
        tokens, parents = first.ids[:, 0, :3], np.repeat(np.arange(2)[:, None], 3, 1)
        parents = parents * first.ids.shape[1]


def arrays(memory: Memory) -> Arrays:
    """Return encoded photos as the exported encoder does: with a head at each attention."""
    regions, keys, pooled = (part.numpy() for part in (memory.regions, memory.keys, memory.pooled))
    start = tuple(part.numpy() for part in memory.start)
    return Arrays(regions[:, None], keys[:, None], start, pooled)
