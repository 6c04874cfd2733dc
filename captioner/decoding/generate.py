"""From encoded photos to sentences: greedy, beam search and sampling over a whole batch.

A photo's sentences depend only on that photo, the options and the seed, never on its neighbours in
the batch; a photo whose search is over leaves the batch.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from captioner.decoding.beam_search import beam_search
from captioner.decoding.search import Search, hypotheses
from captioner.languages.repetition import SmallWords
from captioner.matching import Matching
from captioner.options import Options
from captioner.reranking import Hypothesis, choose, matched
from captioner.runtime.protocols import Array, Floats, Ids, Memory, Network
from captioner.vocabulary import END, START


def generate(
    network: Network[Array],
    memory: Memory[Array],
    options: Options,
    matching: Matching | None = None,
    small_words: SmallWords | None = None,
) -> list[list[Hypothesis]]:
    """Caption photos.

    Args:
        network: in evaluation mode.
        memory: the photos as the network encoded them.
        options: how to search.
        matching: measures how well sentences match the photos; without it likelihood alone counts.
        small_words: of the network's vocabulary; without them a sentence may repeat a word.

    Returns:
        for each photo its sentence and then up to `options.alternatives` others, which all differ
        by at least `options.difference`.
    """
    candidates = _search(network, memory, options, small_words)
    if matching:
        embeddings = matching.embed(network.pooled_features(memory), network.multiply)
        candidates = [
            matched(row, embedding, matching)
            for row, embedding in zip(candidates, embeddings, strict=True)
        ]
    chosen = [choose(row, options) for row in candidates]
    if options.attention:
        chosen = _with_attention(network, memory, chosen)
    return chosen


def _search(
    network: Network[Array],
    memory: Memory[Array],
    options: Options,
    small_words: SmallWords | None,
) -> list[list[Hypothesis]]:
    """Return more candidates for each photo than are wanted, because some may be too alike."""
    wanted = 1 + options.alternatives
    spare = 2 if options.difference and wanted > 1 else 1
    if options.sample:
        # Samples may also be the same sentence.
        rows = 1 if wanted == 1 else 2 * spare * wanted
        return _word_by_word(network, memory, options, rows, small_words)
    if options.beam == wanted == 1:
        return _word_by_word(network, memory, options, 1, small_words)
    return beam_search(network, memory, options, max(options.beam, spare * wanted), small_words)


def _word_by_word(
    network: Network[Array],
    memory: Memory[Array],
    options: Options,
    rows: int,
    small_words: SmallWords | None,
) -> list[list[Hypothesis]]:
    """Choose word by word: the likeliest, or at random for `rows` samples of each photo."""
    search = Search(network, memory, options, small_words)
    batch, max_length = len(search.photos), options.max_length
    # Every photo uses the same random numbers, so that its neighbours do not change its samples.
    chance = np.random.default_rng(options.seed % 2**64).random((rows, max_length))
    tokens = np.full((batch, rows, max_length + 1), END)
    tokens[:, :, 0] = START
    kept_logprobs = np.zeros((batch, rows, max_length), np.float32)
    for length in range(max_length):
        photos = search.photos
        history = tokens[photos, :, : length + 1]
        # The first word is predicted once for all rows of a photo, which are the same so far.
        candidates, allowed = search.step(
            history[:, :1] if length == 0 else history, None if options.sample else 1
        )
        if options.sample:
            index = _sample(allowed, chance[:, length], options)
        else:
            index = allowed.argmax(-1)
        words, logprobs = (_at(index, values) for values in candidates)
        ended = (history[..., 1:] == END).any(-1)
        words = np.where(ended, END, words)
        tokens[photos, :, length + 1] = words
        kept_logprobs[photos, :, length] = np.where(ended, 0, logprobs)
        going = (words != END).any(-1)
        if not going.any():
            break
        parents = np.zeros(rows, np.int64) if length == 0 else np.arange(rows)
        search.follow(np.broadcast_to(parents, words.shape), going)
    return hypotheses(tokens, kept_logprobs)


def _at(index: Ids, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Take from the values `(photos, rows, count)` of each row the one with this index."""
    return np.take_along_axis(
        np.broadcast_to(values, (*index.shape, values.shape[-1])), index[..., None], -1
    )[..., 0]


def _sample(allowed: Floats, chance: npt.NDArray[np.float64], options: Options) -> Ids:
    """Nucleus sampling (Holtzman et al., ICLR 2020) by the inverse of the distribution function.

    Args:
        allowed: `(photos, rows, vocabulary)`, log-probabilities, the largest first but for those
            that are -inf; one row for all rows of a photo if they are the same.
        chance: `(rows,)`, from 0 to 1.
        options: temperature and nucleus.

    Returns:
        `(photos, rows)`, the index of the word that was drawn.
    """
    # Relative to the likeliest word, so that no temperature makes every word impossible.
    below_best = (allowed - allowed.max(-1, keepdims=True)).astype(np.float64)
    weights = np.exp(below_best / max(options.temperature, float(np.finfo(np.float32).tiny)))
    probabilities = weights / weights.sum(-1, keepdims=True)
    before = probabilities.cumsum(-1) - probabilities
    nucleus = np.where(before >= options.top_p, 0.0, probabilities).cumsum(-1)
    total = nucleus[..., -1:]
    index = (nucleus <= chance[:, None] * total).sum(-1)
    last = (nucleus < total).sum(-1)
    return np.minimum(index, last)


def _with_attention(
    network: Network[Array], memory: Memory[Array], chosen: list[list[Hypothesis]]
) -> list[list[Hypothesis]]:
    """Decode the chosen sentences again with their attention, which searches need not carry."""
    rows = max(len(row) for row in chosen)
    # One step shows how many regions there are, even for a sentence without words.
    longest = max(1, *(len(sentence.tokens) for row in chosen for sentence in row))
    tokens = np.full((len(chosen), rows, longest), START)
    for photo, row in enumerate(chosen):
        for index, sentence in enumerate(row):
            words = sentence.tokens[: longest - 1]
            tokens[photo, index, 1 : 1 + len(words)] = words
    maps = network.attention(tokens, memory)
    if maps is None:
        return chosen
    return [
        [
            dataclasses.replace(sentence, attention=maps[photo, index, : len(sentence.tokens)])
            for index, sentence in enumerate(row)
        ]
        for photo, row in enumerate(chosen)
    ]
