"""What training minimizes: losses of sampled captions, by their reward, and of reference captions.

Sampled captions are rewarded as in self-critical sequence training (Rennie et al., CVPR 2017), with
the mean of the other samples as the baseline (Luo, *A Better Variant of Self-Critical Sequence
Training*, 2020).
"""

import torch
from torch.nn import functional

from captioner.languages.repetition import SmallWords
from captioner.model import Memory, Model
from captioner.vocabulary import PAD
from train.data.loader import drop_words
from train.fitting.cider_d import CiderD
from train.fitting.repetition import repeats
from train.fitting.sampling import sample
from train.processes import mean_of_all


def reward_loss(
    model: Model,
    memory: Memory,
    written: torch.Tensor,
    cider: CiderD,
    *,
    samples: int,
    max_length: int,
    penalty: float,
    small_words: SmallWords | None,
    chance: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of sampled captions, and their mean reward; see `mean_of_all` for both.

    Args:
        model: in training mode, on the device of `memory`.
        memory: the photos.
        written: `(photos * captions, length)`, their reference captions.
        cider: of the training captions.
        samples: captions to sample for each photo; at least 2.
        max_length: words; longer captions are cut.
        penalty: taken from the reward of a caption that repeats a word.
        small_words: of the vocabulary; without them repeated words are not penalized.
        chance: see `sample`.
    """
    photos = len(memory.regions)
    tokens, logprobs = sample(model, memory, samples, max_length, chance)
    # A step may have no photo for a process, which then gets one without references.
    counted = (written != PAD).any(1).view(photos, -1).any(1)
    tokens = tokens.masked_fill(~counted.repeat_interleave(samples)[:, None], PAD)
    rewards = _rewards(cider, tokens, written, photos)
    if penalty and small_words:
        repeating = repeats(tokens, small_words).view_as(rewards)
        rewards = rewards - penalty * repeating
    # The baseline of a caption is the mean reward of the other samples of its photo.
    mean = rewards.mean(1, keepdim=True)
    advantages = (rewards - mean) * samples / (samples - 1)
    weights = advantages.to(logprobs).flatten()
    present = tokens != PAD
    total = -(weights[:, None] * logprobs)[present].sum()
    return mean_of_all(total, present.sum()), mean_of_all(mean.sum(), counted.sum())


def forced_loss(
    model: Model,
    memory: Memory,
    written: torch.Tensor,
    label_smoothing: float,
    word_dropout: float = 0.0,
) -> torch.Tensor:
    """Return the cross-entropy of reference captions, in nats a word; see `reward_loss`.

    Args:
        model: in training mode, on the device of `memory`.
        memory: the photos.
        written: `(photos * captions, length)`, their reference captions.
        label_smoothing: the probability that is spread over all words.
        word_dropout: the share of words that the model does not see; see `drop_words`.
    """
    # Without word dropout, no random numbers are drawn for it.
    seen = drop_words(written, word_dropout) if word_dropout else written
    logits, _ = model.predict(memory, seen)
    following = written[:, 1:]
    targets = following[following != PAD]
    total = functional.cross_entropy(
        logits.float(), targets, label_smoothing=label_smoothing, reduction="sum"
    )
    return mean_of_all(total, len(targets))


def _rewards(
    cider: CiderD, tokens: torch.Tensor, written: torch.Tensor, photos: int
) -> torch.Tensor:
    """Return the reward of each sample: `(photos, samples)`."""
    references = written[:, 1:].unflatten(0, (photos, -1))
    scores = cider(tokens.unflatten(0, (photos, -1)), references)
    present = (references != PAD).any(-1)[:, None]
    return scores.sum(-1) / present.sum(-1).clamp(min=1)
