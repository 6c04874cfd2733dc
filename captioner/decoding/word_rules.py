"""Which words may not come next in a sentence."""

import numpy as np

from captioner.languages.repetition import SmallWords
from captioner.options import Options
from captioner.runtime.protocols import Candidates, Floats, Ids
from captioner.vocabulary import END, PAD, START, UNKNOWN

NEVER_GENERATED = (PAD, START, UNKNOWN)

# The log-probability of an end that the network rules out, where the rules leave no other word. It
# is finite, so that the sentence ends and is kept; it is below any sum of log-probabilities, which
# are in the thousands at most, so that the sentence ranks last; and it is far enough above the
# lowest float32, -3.4e38, to be divided by a length penalty below 1.
FORCED_END = np.float32(-1e30)


def forbidden(history: Ids, options: Options, small_words: SmallWords | None = None) -> Ids:
    """Find the words that may not come next.

    Args:
        history: `(..., 1 + words)`, START and the words so far of each row.
        options: the shortest length, and what may not repeat.
        small_words: of the vocabulary; without them words may repeat.

    Returns:
        `(..., words)`, the same number for each row; some may occur twice.
    """
    length = history.shape[-1]
    never = NEVER_GENERATED if length > options.min_length else (*NEVER_GENERATED, END)
    found = [np.array(never)]
    n = options.no_repeat_ngram
    if n and length > n:
        # Where the last n - 1 words occurred before, the word that followed may not follow again.
        again = np.ones((*history.shape[:-1], length - n), np.bool_)
        for back in range(1, n):
            again &= history[..., n - back : -back] == history[..., -back, None]
        somewhere = again.any(tuple(range(again.ndim - 1)))
        found.append(np.where(again, history[..., n:], PAD)[..., somewhere])
    if small_words and not options.repeat_words:
        found.append(_last_content_words(history, small_words)[..., None])
    every = np.empty((*history.shape[:-1], sum(part.shape[-1] for part in found)), np.int64)
    place = 0
    for part in found:
        every[..., place : place + part.shape[-1]] = part
        place += part.shape[-1]
    return every


def allow(candidates: Candidates, forbidden: Ids) -> tuple[Candidates, Floats]:
    """Rule out words.

    Args:
        candidates: of each row; more than the words that it is forbidden, or all words there are.
        forbidden: the words that may not come next.

    Returns:
        the candidates, with the end in the place of another where no word is left; and their
        log-probabilities, -inf where a word is ruled out, so that one of each row at least is not.
    """
    ids, logprobs = candidates
    ruled_out = (ids[..., None] == forbidden[..., None, :]).any(-1)
    allowed = np.where(ruled_out, np.float32(-np.inf), logprobs)
    stuck = allowed.max(-1) == -np.inf
    if stuck.any():
        # The sentence ends, whatever its length and probability.
        ids, logprobs = ids.copy(), logprobs.copy()
        end = np.where(ids[stuck] == END, logprobs[stuck], -np.inf).max(-1)
        ids[stuck, 0], logprobs[stuck, 0] = END, end
        allowed[stuck, 0] = np.maximum(end, FORCED_END)
    return Candidates(ids, logprobs), allowed


def _last_content_words(history: Ids, small_words: SmallWords) -> Ids:
    """Return the word that would be repeated for nothing if it came next: `(...)`.

    It is the last word of each row that is not small; START where there is none, or where a
    linking word follows it ("side by").
    """
    rows, length = history.reshape(-1, history.shape[-1]), history.shape[-1]
    last = np.where(small_words.small[rows], 0, np.arange(length)).max(-1)  # START is at 0
    last[(last == length - 2) & small_words.linking[rows[:, -1]]] = 0
    return rows[np.arange(len(rows)), last].reshape(history.shape[:-1])
