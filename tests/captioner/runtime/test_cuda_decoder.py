"""A search on CUDA takes the same steps as anywhere else.

Without a GPU the same code runs on the CPU, where a capture only takes the steps that it takes.
"""

import copy
import functools
import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.decoding.generate import generate
from captioner.model import Memory, Model
from captioner.options import Options
from captioner.runtime import cuda_decoder, cuda_graphs
from captioner.runtime.cuda_decoder import DecoderGraphs
from captioner.runtime.cuda_graphs import WARM_UP, Work
from captioner.runtime.protocols import DecoderState, Floats, Ids
from tests.conftest import tiny_model

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
OPTIONS = {
    "greedy": Options(beam=1),
    "beam": Options(beam=4, alternatives=2, attention=True),
    "sample": Options(sample=True, seed=5, alternatives=2),
}


@pytest.fixture(autouse=True)
def capture(monkeypatch: pytest.MonkeyPatch) -> None:
    def captured(work: Work, device: str) -> Work:
        if device.startswith("cuda"):
            return cuda_graphs.captured(work, device)
        for _ in range(WARM_UP):
            work()
        return work

    monkeypatch.setattr(cuda_decoder, "captured", captured)
    models.cache_clear()  # each test captures by itself


class OnGraphs:
    """A model whose searches run on `DecoderGraphs`."""

    def __init__(self, model: Model) -> None:
        wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
        self.model, self.graphs = model, DecoderGraphs(model, threading.Lock(), wait)

    def begin(self, memory: Memory) -> DecoderState:
        return self.graphs.begin(memory)

    def attention(self, tokens: Ids, memory: Memory) -> Floats | None:
        return self.model.attention(tokens, memory)

    def pooled_features(self, memory: Memory) -> Floats:
        return self.model.pooled_features(memory)

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        return self.model.multiply(rows, matrix)


@functools.cache
def models(device: str) -> tuple[Model, OnGraphs]:
    model = copy.deepcopy(tiny_model(attention_score="dot", heads=4)).eval().to(device)
    if device == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream())  # graphs are not captured on the default one
    return model, OnGraphs(model)


@torch.inference_mode()
def memory_of(model: Model, photos: int) -> Memory:
    grid = torch.randn(photos, 4, 512, generator=torch.Generator().manual_seed(11))
    return model.encode_grid(grid.to(next(model.parameters()).device))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("photos", [1, 3, 8, 21])
def test_the_sentences_are_the_same(photos: int, options: Options, device: str) -> None:
    model, on_graphs = models(device)
    memory = memory_of(model, photos)
    for found, expected in zip(
        generate(on_graphs, memory, options), generate(model, memory, options), strict=True
    ):
        for one, same in zip(found, expected, strict=True):
            assert one.tokens == same.tokens
            assert one.logprobs == pytest.approx(same.logprobs, abs=1e-4)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    left=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    rows=st.integers(1, 5),
    count=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_every_step_gives_the_same_candidates(
    left: list[int], rows: int, count: int, seed: int
) -> None:
    model, on_graphs = models("cpu")
    memory, chance = memory_of(model, 21), np.random.default_rng(seed)
    graphs, plain = on_graphs.begin(memory), model.begin(memory)
    photos, before = np.arange(21), 1
    for going in sorted(left, reverse=True):
        going = min(going, len(photos))
        kept = np.sort(chance.choice(len(photos), going, replace=False))
        parents = kept[:, None] * before + chance.integers(0, before, (going, rows))
        tokens = chance.integers(4, 29, (going, rows))
        found, expected = (state.step(tokens, parents, count) for state in (graphs, plain))
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-5)
        photos, before = photos[kept], rows


def test_a_search_ends_the_one_before_but_leaves_its_memory() -> None:
    model, on_graphs = models("cpu")
    memory = memory_of(model, 3)
    first = generate(on_graphs, memory, Options())
    generate(on_graphs, memory_of(model, 4), Options(beam=2))
    assert generate(on_graphs, memory, Options()) == first
