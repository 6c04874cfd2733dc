"""Captions that are sampled word by word, with gradients, for self-critical training."""

import torch

from captioner.decoding.word_rules import NEVER_GENERATED
from captioner.model import Memory, Model
from captioner.vocabulary import END, PAD, START


def sample(
    model: Model,
    memory: Memory,
    samples: int,
    max_length: int,
    chance: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample captions word by word; gradients flow to their log-probabilities.

    Args:
        model: in training mode, on the device of `memory`.
        memory: the photos.
        samples: captions for each photo.
        max_length: words; longer captions are cut.
        chance: `(photos * samples, max_length + 1)`, a random number below 1 for each word; None
            draws them here.

    Returns:
        word ids `(photos * samples, length)`, each caption followed by the end token and `PAD`,
        and the log-probability of each word.
    """
    decoder = model.decoder
    state = decoder.begin(memory, samples)
    rows, device = len(memory.regions) * samples, memory.regions.device
    words = torch.full((rows,), START, device=device)
    going = torch.ones_like(words, dtype=torch.bool)
    if chance is None:
        chance = torch.rand(rows, max_length + 1, device=device)
    tokens, logprobs = [], []
    for number in chance.unbind(1):
        embedded = decoder.dropout(decoder.embedding(words))
        features, state, _ = decoder.advance(embedded, state, memory)
        logits = decoder.predict(features).float()
        logits[:, NEVER_GENERATED] = -torch.inf
        predicted = logits.log_softmax(-1)
        words = choose(predicted.detach().exp(), number)
        tokens.append(words.masked_fill(~going, PAD))
        logprobs.append(predicted.gather(1, words[:, None]).squeeze(1))
        going = going & (words != END)
        # A GPU would have to wait for the answer, and in a large batch some caption is long.
        if going.device.type == "cpu" and not going.any():
            break
    return torch.stack(tokens, 1), torch.stack(logprobs, 1)


def choose(probabilities: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """Choose a word of each row: the first at which the probabilities so far exceed a share.

    Unlike `torch.multinomial` it takes the random numbers, which depend on the photo alone.

    Args:
        probabilities: `(rows, words)`.
        chance: `(rows,)`, the shares, below 1.
    """
    sums = probabilities.cumsum(-1)
    wanted = chance[:, None] * sums[:, -1:]
    words = torch.searchsorted(sums, wanted, right=True).squeeze(1)
    return words.clamp(max=probabilities.shape[1] - 1)  # where a product was rounded up
