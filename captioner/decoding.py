"""From what the model sees to sentences: greedy, beam search and sampling over a whole batch.

A photo's sentences depend on that photo, the options and the seed alone, never on its neighbours
in the batch; a photo whose search is over leaves the batch.

The search itself is NumPy's, whatever the network runs in, so that one search serves runtimes with
PyTorch and without.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from captioner.matching import Matching
from captioner.options import Options
from captioner.reranking import Hypothesis, choose, matched
from captioner.runtime.protocols import Array, Floats, Ids, Memory, Network
from captioner.vocabulary import END, PAD, START, UNKNOWN

NEVER_SAID = (PAD, START, UNKNOWN)
BLOCK = 32  # values; of 16 to 64 all are about as fast


def generate(
    network: Network[Array],
    memory: Memory[Array],
    options: Options,
    matching: Matching | None = None,
) -> list[list[Hypothesis]]:
    """Say what is in each photo.

    Args:
        network: ready to be used: a `Model` in evaluation mode, or an exported one.
        memory: what the network keeps of the photos that its encoder saw.
        options: how to speak.
        matching: tells how well sentences go with the photos; the likeliest is said without.

    Returns:
        for each photo its sentence and then up to `options.alternatives` others, all different, by
        `options.difference` at the least.
    """
    wanted = 1 + options.alternatives
    # Some are much the same; twice as many leave enough that differ.
    spare = 2 if options.difference and wanted > 1 else 1
    if options.sample:
        # Some draws coincide, too.
        rows = 1 if wanted == 1 else 2 * spare * wanted
        found = _speak(network, memory, options, rows)
    elif options.beam == wanted == 1:
        found = _speak(network, memory, options, 1)
    else:
        found = _beam_search(network, memory, options, max(options.beam, spare * wanted))
    if matching:
        places = matching.places(network.pooled_features(memory))
        found = [matched(row, place, matching) for row, place in zip(found, places, strict=True)]
    chosen = [choose(hypotheses, options) for hypotheses in found]
    if options.attention:
        chosen = _with_attention(network, memory, chosen)
    return chosen


def _begin(memory: Memory[Array], rows: int) -> tuple[int, tuple[Array, ...]]:
    """Return how many photos there are, and the state of `rows` rows for each."""
    batch = memory.start[0].shape[0]
    every = np.arange(batch).repeat(rows)
    return batch, tuple(part[every] for part in memory.start)


def _speak(
    network: Network[Array], memory: Memory[Array], options: Options, rows: int
) -> list[list[Hypothesis]]:
    """Go word by word without looking back: greedy, or `rows` samples of each photo."""
    batch, state = _begin(memory, rows)
    # Every photo draws with the same numbers, so that its neighbours do not change its samples.
    chance = np.random.default_rng(options.seed % 2**64).random((rows, options.max_length))
    tokens = np.full((batch, rows, options.max_length + 1), END)
    tokens[:, :, 0] = START
    logprobs = np.zeros((batch, rows, options.max_length), np.float32)
    photos = np.arange(batch)
    for length in range(options.max_length):
        history = tokens[photos, :, : length + 1].reshape(-1, length + 1)
        said, state, _ = network.step(history[:, -1], state, memory)
        allowed = _forbid(said, history, options)
        if options.sample:
            words = _draw(allowed, np.tile(chance[:, length], photos.size), options)
        else:
            words = allowed.argmax(-1)
        ended = (history[:, 1:] == END).any(-1)
        words = np.where(ended, END, words)
        spoken = np.where(ended, 0, said[np.arange(words.size), words])
        tokens[photos, :, length + 1] = words.reshape(-1, rows)
        logprobs[photos, :, length] = spoken.reshape(-1, rows)
        going = (words != END).reshape(-1, rows).any(1)
        if not going.any():
            break
        photos, memory, state = _leave(going, photos, memory, state, rows)
    return _hypotheses(tokens, logprobs)


def _draw(allowed: Floats, chance: npt.NDArray[np.float64], options: Options) -> Ids:
    """Nucleus sampling (Holtzman et al., ICLR 2020) by the inverse of the distribution function."""
    # Measured from the likeliest word, no temperature makes every word impossible.
    below_best = (allowed - allowed.max(-1, keepdims=True)).astype(np.float64)
    weights = np.exp(below_best / max(options.temperature, float(np.finfo(np.float32).tiny)))
    words = (-weights).argsort(-1, kind="stable")
    sorted_weights = np.take_along_axis(weights, words, -1)
    probabilities = sorted_weights / sorted_weights.sum(-1, keepdims=True)
    before = probabilities.cumsum(-1) - probabilities
    nucleus = np.where(before >= options.top_p, 0.0, probabilities).cumsum(-1)
    total = nucleus[:, -1:]
    index = (nucleus <= chance[:, None] * total).sum(-1, keepdims=True)
    kept = (nucleus < total).sum(-1, keepdims=True)
    return np.take_along_axis(words, np.minimum(index, kept), -1)[:, 0]


def _beam_search(
    network: Network[Array], memory: Memory[Array], options: Options, k: int
) -> list[list[Hypothesis]]:
    """Keep the `k` likeliest beginnings; what ends among them is set aside, scored by length.

    The search is over when `k` sentences are better than any that may still come; twice as many are
    kept, so that there is more to choose from.
    """
    batch, state = _begin(memory, k)
    kept, length_limit = 2 * k, options.max_length
    finished = np.full((batch, kept), -np.inf, np.float32)
    finished_tokens = np.full((batch, kept, length_limit + 1), END)
    finished_logprobs = np.zeros((batch, kept, length_limit), np.float32)
    photos = np.arange(batch)
    tokens = np.full((batch, k, 1), START)
    logprobs = np.zeros((batch, k, 0), np.float32)
    scores = np.full((batch, k), -np.inf, np.float32)
    scores[:, 0] = 0

    def keep_best(new: Floats, tokens: Ids, logprobs: Floats) -> None:
        """Merge sentences `(searching, k, length)` with scores `new` into the finished ones."""
        length = logprobs.shape[-1]
        ended = np.full((photos.size, k, length_limit + 1), END)
        ended[..., : length + 1] = tokens
        said = np.zeros((photos.size, k, length_limit), np.float32)
        said[..., :length] = logprobs
        finished[photos], best = _best(np.concatenate((finished[photos], new), 1), kept)
        finished_tokens[photos] = _pick(np.concatenate((finished_tokens[photos], ended), 1), best)
        finished_logprobs[photos] = _pick(
            np.concatenate((finished_logprobs[photos], said), 1), best
        )

    for length in range(1, length_limit + 1):
        history = tokens.reshape(-1, length)
        said, state, _ = network.step(history[:, -1], state, memory)
        allowed = _forbid(said, history, options)
        vocabulary = allowed.shape[1]
        totals = (scores.reshape(-1, 1) + allowed).reshape(-1, k * vocabulary)
        # Of 2k candidates at most k end, so k stay to go on with.
        candidates, index = _best(totals, 2 * k)
        parents, words = np.divmod(index, vocabulary)
        spoken = _pick(said.reshape(-1, k * vocabulary), index)
        tokens = np.concatenate((_pick(tokens, parents), words[..., None]), -1)
        logprobs = np.concatenate((_pick(logprobs, parents), spoken[..., None]), -1)
        ends = words == END
        scale = np.float32(length**options.length_penalty)
        if ends[:, :k].any():
            new = np.where(ends, candidates / scale, -np.inf)[:, :k]
            keep_best(new, tokens[:, :k], logprobs[:, :k])
        scores, alive = _best(np.where(ends, np.float32(-np.inf), candidates), k)
        tokens, logprobs = _pick(tokens, alive), _pick(logprobs, alive)
        parents = _pick(parents, alive)
        going = scores[:, 0] / scale > finished[photos, k - 1]
        if not going.any():
            break
        if length == length_limit:
            # Sentences that were cut rank behind every one that ended.
            rank = np.arange(1, k + 1, dtype=np.float32)
            keep_best(np.where(scores > -np.inf, -1e25 * rank, scores), tokens, logprobs)
            break
        rows = (parents + k * np.arange(parents.shape[0])[:, None]).ravel()
        state = tuple(part[rows] for part in state)
        photos, memory, state = _leave(going, photos, memory, state, k)
        tokens, logprobs, scores = tokens[going], logprobs[going], scores[going]
    found = _hypotheses(finished_tokens, finished_logprobs)
    return [
        [hypothesis for hypothesis, score in zip(row, marks, strict=True) if score > -math.inf]
        for row, marks in zip(found, finished.tolist(), strict=True)
    ]


def _forbid(logprobs: Floats, history: Ids, options: Options) -> Floats:
    """Rule out what must not be said next: `(rows, vocabulary)`, with the words so far."""
    allowed = logprobs.copy()
    allowed[:, NEVER_SAID] = -np.inf
    said = history.shape[1] - 1
    if said < options.min_length:
        allowed[:, END] = -np.inf
    n = options.no_repeat_ngram
    if n and said >= n:
        # Where the last n - 1 words stood before, what came after them must not come again.
        same = np.ones((len(history), said + 1 - n), np.bool_)
        for back in range(1, n):
            same &= history[:, n - back : -back] == history[:, -back, None]
        row, place = same.nonzero()
        allowed[row, history[row, place + n]] = -np.inf
    # Where nothing may be said any more the sentence ends, whatever its length and probability.
    stuck = allowed.max(-1) == -np.inf
    allowed[stuck, END] = np.maximum(logprobs[stuck, END], np.float32(-1e30))
    return allowed


def _leave(
    going: npt.NDArray[np.bool_],
    photos: Ids,
    memory: Memory[Array],
    state: tuple[Array, ...],
    rows: int,
) -> tuple[Ids, Memory[Array], tuple[Array, ...]]:
    if going.all():
        return photos, memory, state
    kept = going.repeat(rows).nonzero()[0]
    staying = going.nonzero()[0]
    return photos[going], memory.select(staying), tuple(part[kept] for part in state)


def _best(values: Floats, count: int) -> tuple[Floats, Ids]:
    """Return the `count` largest of each row, the largest first, and where they stand."""
    index = _promising(values, count)
    found = _pick(values, index)
    split = found.shape[1] - count
    if split > 0:
        largest = found.argpartition(split, axis=1)[:, split:]
        index, found = _pick(index, largest), _pick(found, largest)
    order = (-found).argsort(1, kind="stable")[:, :count]
    return _pick(found, order), _pick(index, order)


def _promising(values: Floats, count: int) -> Ids:
    """Return where the `count` largest of each row must be: `(rows, fewer than there are)`.

    A block of which `count` others have a larger maximum holds none of them; to find that out is
    several times faster than to partition all that could be said next.
    """
    rows, size = values.shape
    blocks = size // BLOCK
    if blocks <= count:
        return np.broadcast_to(np.arange(size), values.shape)
    whole = blocks * BLOCK
    # Block b holds every value whose place leaves the remainder b.
    maxima = values[:, :whole].reshape(rows, BLOCK, blocks).max(1)
    chosen = maxima.argpartition(blocks - count, axis=1)[:, blocks - count :]
    inside = (chosen[:, None] + blocks * np.arange(BLOCK)[:, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(whole, size), (rows, size - whole))
    return np.concatenate((inside, rest), 1)


def _pick(rows: npt.NDArray[Any], index: Ids) -> npt.NDArray[Any]:
    """Take from `(batch, rows, ...)` the rows `(batch, k)` of each photo."""
    return rows[np.arange(rows.shape[0])[:, None], index]


def _hypotheses(tokens: Ids, logprobs: Floats) -> list[list[Hypothesis]]:
    """Cut rows `(batch, rows, 1 + length)` at their ends."""
    found = []
    for photo_tokens, photo_logprobs in zip(tokens.tolist(), logprobs.tolist(), strict=True):
        row = []
        for ids, values in zip(photo_tokens, photo_logprobs, strict=True):
            words = ids[1:]
            length = words.index(END) if END in words else len(words)
            row.append(Hypothesis(tuple(words[:length]), tuple(values[: length + 1])))
        found.append(row)
    return found


def _with_attention(
    network: Network[Array], memory: Memory[Array], found: list[list[Hypothesis]]
) -> list[list[Hypothesis]]:
    """Say the sentences again and note where the model looks; searches need not carry it along."""
    rows = max(len(hypotheses) for hypotheses in found)
    # One step shows how many regions there are, even where there is no word.
    longest = max(1, *(len(hypothesis.tokens) for row in found for hypothesis in row))
    tokens = np.full((len(found), rows, longest + 1), START)
    for photo, hypotheses in enumerate(found):
        for row, hypothesis in enumerate(hypotheses):
            tokens[photo, row, 1 : 1 + len(hypothesis.tokens)] = hypothesis.tokens
    _, state = _begin(memory, rows)
    looks = []
    for step in range(longest):
        _, state, weights = network.step(tokens[:, :, step].ravel(), state, memory)
        if weights is None:  # the network has no attention
            return found
        looks.append(weights.reshape(len(found), rows, -1))
    seen = np.stack(looks, axis=2)
    return [
        [
            dataclasses.replace(hypothesis, attention=seen[photo, row, : len(hypothesis.tokens)])
            for row, hypothesis in enumerate(hypotheses)
        ]
        for photo, hypotheses in enumerate(found)
    ]
