"""The searches again, written as plainly as possible: one photo, one sentence at a time."""

import functools
from collections.abc import Callable

import torch

from captioner.model import Model
from captioner.options import Options
from captioner.vocabulary import END, PAD, START, UNKNOWN
from tests.captioner.decoding.networks import Words, encode


def speaker(model: Model, photo: torch.Tensor) -> Callable[[Words], list[float]]:
    """Return a function from the words so far to the log-probability of each next word."""

    @functools.cache
    @torch.inference_mode()
    def next_word(words: Words) -> list[float]:
        memory = encode(model, photo[None])
        state = model.decoder.begin(memory, 1)
        for word in (START, *words):
            logprobs, state = model.step(torch.tensor([word]), state, memory)
        return logprobs[0].tolist()

    return next_word


def allowed_after(
    words: Words, size: int, options: Options, *, may_repeat: bool = True
) -> set[int]:
    allowed = set(range(size)) - {PAD, START, UNKNOWN}
    if len(words) < options.min_length:
        allowed.remove(END)
    n = options.no_repeat_ngram
    if n:
        runs = {words[position : position + n] for position in range(len(words) - n + 1)}
        allowed = {word for word in allowed if (*words, word)[-n:] not in runs}
    if not may_repeat:
        allowed = {word for word in allowed if len(repeated((*words, word))) == 0}
    return allowed or {END}


def repeated(words: Words) -> list[int]:
    """Return the words that come again with nothing but small words in between."""
    found, last = [], -1
    for place, word in enumerate(words):
        if word in (6, 7):
            continue
        if last >= 0 and words[last] == word and words[last + 1 : place] != (7,):
            found.append(word)
        last = place
    return found


def plain_greedy(
    model: Model, photo: torch.Tensor, options: Options, *, may_repeat: bool = True
) -> Words:
    next_word = speaker(model, photo)
    words: Words = ()
    while len(words) < options.max_length:
        logprobs = next_word(words)
        allowed = allowed_after(words, len(logprobs), options, may_repeat=may_repeat)
        word = max(allowed, key=lambda word: logprobs[word])
        if word == END:
            break
        words = (*words, word)
    return words


def plain_beam_search(
    model: Model, photo: torch.Tensor, options: Options, *, may_repeat: bool = True
) -> list[Words]:
    next_word, k = speaker(model, photo), options.beam
    beams: list[tuple[float, Words]] = [(0.0, ())]
    finished: list[tuple[float, Words]] = []
    for length in range(1, options.max_length + 1):
        candidates = sorted(
            (
                (total + next_word(words)[word], (*words, word))
                for total, words in beams
                for word in allowed_after(
                    words, len(next_word(words)), options, may_repeat=may_repeat
                )
            ),
            reverse=True,
        )
        scale = length**options.length_penalty
        finished += [(total / scale, words) for total, words in candidates[:k] if words[-1] == END]
        finished = sorted(finished, reverse=True)[:k]
        beams = [(total, words) for total, words in candidates if words[-1] != END][:k]
        if not beams or (len(finished) == k and beams[0][0] / scale <= finished[-1][0]):
            beams = []
            break
    return [words[:-1] for _, words in finished] + [words for _, words in beams][
        : k - len(finished)
    ]
