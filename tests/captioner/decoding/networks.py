"""Tiny networks, and what is decoded from them."""

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch

from captioner.decoding.generate import generate
from captioner.languages.repetition import SmallWords
from captioner.model import Memory, Model
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.vocabulary import END
from tests.conftest import tiny_model

Words = tuple[int, ...]

MODELS: dict[str, dict[str, Any]] = {
    "lstm-additive": {},
    "gru-dot": {"cell": "gru", "attention_score": "dot", "heads": 2},
    "lstm-plain": {"attention": False},
}
STRATEGIES = {
    "greedy": Options(beam=1),
    "beam": Options(beam=4, alternatives=2),
    "sample": Options(sample=True, top_p=1.0, temperature=1.3, seed=5, alternatives=2),
}
every_model = pytest.mark.parametrize("name", MODELS)
every_strategy = pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES.keys())


@functools.cache
def model_of(name: str, vocabulary_size: int = 29, end: float = 0.0) -> Model:
    """Return a model that ends its sentences the sooner, the higher `end` is."""
    model = copy.deepcopy(_built(name, vocabulary_size))
    with torch.no_grad():
        model.decoder.output.bias[END] += end
    return model


@functools.cache
def _built(name: str, vocabulary_size: int) -> Model:
    model = tiny_model(vocabulary_size=vocabulary_size, **MODELS[name])
    model.encoder.resnet = torch.nn.Identity()  # the largest part, and no photo is encoded here
    return model


def grids(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 512, generator=torch.Generator().manual_seed(11))


@torch.inference_mode()
def encode(model: Model, features: torch.Tensor) -> Memory:
    return model.encode_grid(features)


def decode(
    model: Model, count: int, options: Options, small_words: SmallWords | None = None
) -> list[list[Hypothesis]]:
    return generate(model, encode(model, grids(count)), options, small_words=small_words)


def small_words_of(size: int) -> SmallWords:
    """Return small words for a vocabulary in which the special ones and 6 and 7 are small."""
    ids = np.arange(size)
    return SmallWords((ids < 4) | (ids == 6) | (ids == 7), ids == 7)


def sentences(candidates: list[list[Hypothesis]]) -> list[list[Words]]:
    return [[hypothesis.tokens for hypothesis in row] for row in candidates]
