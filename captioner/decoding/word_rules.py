"""Which words may not come next in a sentence."""

import numpy as np

from captioner.language import SmallWords
from captioner.options import Options
from captioner.runtime.protocols import Floats, Ids
from captioner.vocabulary import END, PAD, START, UNKNOWN

NEVER_GENERATED = (PAD, START, UNKNOWN)

# The log-probability of an end that the network rules out, where the rules leave no other word. It
# is finite, so that the sentence ends and is kept; it is below any sum of log-probabilities, which
# are in the thousands at most, so that the sentence ranks last; and it is far enough above the
# lowest float32, -3.4e38, to be divided by a length penalty below 1.
FORCED_END = np.float32(-1e30)


def forbid(
    logprobs: Floats, history: Ids, options: Options, small_words: SmallWords | None = None
) -> Floats:
    """Rule out words.

    Args:
        logprobs: `(rows, vocabulary)`, of the next word of each row.
        history: `(rows, 1 + words)`, START and the words so far.
        options: the shortest length, and what may not repeat.
        small_words: of the vocabulary; without them words may repeat.

    Returns:
        `(rows, vocabulary)`, the same log-probabilities, -inf where a word is ruled out; at least
        one word of each row is not.
    """
    allowed = logprobs.copy()
    allowed[:, NEVER_GENERATED] = -np.inf
    length = history.shape[1] - 1
    if length < options.min_length:
        allowed[:, END] = -np.inf
    n = options.no_repeat_ngram
    if n and length >= n:
        # Where the last n - 1 words occurred before, the word that followed may not follow again.
        same = np.ones((len(history), length + 1 - n), np.bool_)
        for back in range(1, n):
            same &= history[:, n - back : -back] == history[:, -back, None]
        row, position = same.nonzero()
        allowed[row, history[row, position + n]] = -np.inf
    if small_words and not options.repeat_words:
        allowed[np.arange(len(history)), _last_content_words(history, small_words)] = -np.inf
    # Where no word is left the sentence ends, whatever its length and probability.
    stuck = allowed.max(-1) == -np.inf
    allowed[stuck, END] = np.maximum(logprobs[stuck, END], FORCED_END)
    return allowed


def _last_content_words(history: Ids, small_words: SmallWords) -> Ids:
    """Return the word that would be repeated for nothing if it came next: `(rows,)`.

    It is the last word of each row that is not small; START where there is none, or where a
    linking word follows it ("side by").
    """
    rows, length = history.shape
    last = np.where(small_words.small[history], 0, np.arange(length)).max(1)  # START is at 0
    last[(last == length - 2) & small_words.linking[history[:, -1]]] = 0
    return history[np.arange(rows), last]
