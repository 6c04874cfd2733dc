"""How much several captions of one photo differ, and what the best of them scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.languages.orthography import tokenize
from train.scoring.scores import Scorer


@dataclass(frozen=True)
class Diversity:
    """Figures over photos with several captions each; distinct-n as of Li et al. (NAACL 2016)."""

    captions: float  # per photo, on average
    distinct1: float  # different words among all words of a photo's captions, percent
    distinct2: float  # the same for pairs of words
    words: int  # count, distinct, over all captions
    mean_cider: float  # of all captions, percent points
    best_cider: float  # of each photo's best one, chosen by its references

    def line(self) -> str:
        """Format as one line."""
        return (
            f"another  {self.captions:.1f} captions a photo  distinct-1 {self.distinct1:.1f} %  "
            f"distinct-2 {self.distinct2:.1f} %  {self.words} words  "
            f"CIDEr {self.mean_cider:.1f}, of the best {self.best_cider:.1f}"
        )


def diversity(captions: Mapping[str, Sequence[str]], scorer: Scorer) -> Diversity:
    """Measure several captions of each photo.

    Args:
        captions: by photo, at least one each; the photos are those of the scorer.
        scorer: of these photos.
    """
    most = max(map(len, captions.values()))
    cider = {photo: np.zeros(len(texts)) for photo, texts in captions.items()}
    for turn in range(most):
        # A photo with fewer captions is scored again on its last one, which changes nothing.
        indices = {photo: min(turn, len(texts) - 1) for photo, texts in captions.items()}
        chosen = {photo: captions[photo][index] for photo, index in indices.items()}
        for photo, score in scorer.cider_per_photo(chosen).items():
            cider[photo][indices[photo]] = score
    words = {word for texts in captions.values() for text in texts for word in tokenize(text)}
    return Diversity(
        captions=float(np.mean([len(texts) for texts in captions.values()])),
        distinct1=float(np.mean([_distinct(texts, 1) for texts in captions.values()])),
        distinct2=float(np.mean([_distinct(texts, 2) for texts in captions.values()])),
        words=len(words),
        mean_cider=float(np.mean([scores.mean() for scores in cider.values()])),
        best_cider=float(np.mean([scores.max() for scores in cider.values()])),
    )


def _distinct(texts: Sequence[str], n: int) -> float:
    """Return the share of distinct n-grams, in percent; 100 if there are none."""
    grams = [
        tuple(words[start : start + n])
        for words in map(tokenize, texts)
        for start in range(len(words) - n + 1)
    ]
    return 100 * len(set(grams)) / len(grams) if grams else 100.0
