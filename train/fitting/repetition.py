"""Which sampled captions repeat a word for nothing, for the penalty in self-critical training."""

import torch

from captioner.languages.repetition import SmallWords


def repeats(tokens: torch.Tensor, small_words: SmallWords) -> torch.Tensor:
    """Return which captions repeat a word for nothing; see `languages.repetition.repeats_word`.

    Args:
        tokens: `(captions, length)`, word ids with the end token, then `PAD`.
        small_words: of the vocabulary.

    Returns:
        `(captions,)`, bool, on the device of the tokens.
    """
    small = torch.from_numpy(small_words.small).to(tokens.device)
    linking = torch.from_numpy(small_words.linking).to(tokens.device)
    content = ~small[tokens]
    places = torch.arange(tokens.shape[1], device=tokens.device)
    # The place of the last content word up to each word, then of the one before each word.
    latest = torch.where(content, places, -1).cummax(1).values
    before = latest.roll(1, 1).index_fill(1, places[:1], -1)
    same = (before >= 0) & (tokens.gather(1, before.clamp(min=0)) == tokens)
    linked = (before == places - 2) & linking[tokens.roll(1, 1)]
    return (content & same & ~linked).any(1)
