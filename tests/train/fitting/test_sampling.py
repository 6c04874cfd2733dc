"""The samples of self-critical training."""

import numpy as np
import torch

from captioner.decoding.word_rules import NEVER_GENERATED
from captioner.vocabulary import END, PAD
from tests.conftest import VOCABULARY, tiny_model
from train.fitting.sampling import choose, sample


def sampled(seed: int, length: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    grids = torch.randn(6, 4, 512)
    model = tiny_model().train()
    return sample(model, model.encode_grid(grids), samples=3, max_length=length)


def test_a_sample_ends_once_and_is_padded_after_that() -> None:
    tokens, logprobs = sampled(seed=0)
    assert tokens.shape == logprobs.shape
    assert tokens.shape[0] == 18
    assert tokens.shape[1] <= 9
    ended = (tokens == END).cumsum(1)
    assert ((tokens == PAD) == ((ended > 0) & (tokens != END))).all()
    assert ended.max() == 1
    assert not np.isin(tokens[:, 0], NEVER_GENERATED).any()
    assert len({tuple(row) for row in tokens.tolist()}) > 6


def test_the_probability_of_a_sample_is_the_models_own() -> None:
    model = tiny_model(dropout=0.0).train()
    torch.manual_seed(3)
    grids = torch.randn(2, 4, 512)
    tokens, logprobs = sample(model, model.encode_grid(grids), samples=2, max_length=6)
    start = torch.full((len(tokens), 1), VOCABULARY.encode("a")[0]).fill_(1)
    logits, _ = model(grids, torch.cat((start, tokens), 1))
    logits[:, NEVER_GENERATED] = -torch.inf
    words = tokens[tokens != PAD]
    expected = logits.log_softmax(-1)[torch.arange(len(words)), words]
    assert torch.allclose(logprobs[tokens != PAD], expected, atol=1e-4)
    assert logprobs.requires_grad


def test_words_are_chosen_as_often_as_they_are_likely() -> None:
    probabilities = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    chance = (torch.arange(10000) + 0.5) / 10000
    found = choose(probabilities.expand(10000, -1), chance)
    counts = found.bincount(minlength=6) / 10000
    torch.testing.assert_close(counts, probabilities, rtol=0, atol=2e-4)


def test_a_word_that_is_never_generated_is_never_chosen() -> None:
    probabilities = torch.tensor([[0.0, 0.25, 0.75, 0.0]])
    ends = torch.tensor([[0.0], [1 - 2**-24]])
    found = [int(choose(probabilities, end)) for end in ends]
    assert found == [1, 2]
