import numpy as np
import torch

from captioner.languages.repetition import SmallWords, repeats_word
from captioner.languages.small_words import ENGLISH
from captioner.vocabulary import END, PAD, SPECIAL, Vocabulary
from train.fitting.repetition import repeats

VOCABULARY = Vocabulary([*SPECIAL, "dog", "bed", "side", "a", "and", "by", "to"])


def test_sampled_captions_are_found_to_repeat_a_word_as_written_ones_are() -> None:
    small_words = SmallWords.of(VOCABULARY, "en")
    assert small_words is not None
    chance = np.random.default_rng(0)
    captions = [chance.integers(len(SPECIAL), len(VOCABULARY), size) for size in range(7)] * 30
    tokens = np.full((len(captions), 7), PAD)
    for row, caption in zip(tokens, captions, strict=True):
        row[: len(caption) + 1] = [*caption, END]
    found = repeats(torch.from_numpy(tokens), small_words).tolist()
    assert found == [repeats_word(VOCABULARY.spell(caption), ENGLISH) for caption in captions]
    assert 0.1 < sum(found) / len(found) < 0.9
