"""From what the model sees to sentences: greedy, beam search and sampling over a whole batch.

A photo's sentences depend on that photo, the options and the seed alone, never on its neighbours
in the batch; a photo whose search is over leaves the batch.
"""

import math
from dataclasses import dataclass

import torch

from captioner.model import Memory, Model, State
from captioner.vocabulary import END, PAD, START, UNKNOWN

NEVER_SAID = (PAD, START, UNKNOWN)


@dataclass(frozen=True)
class Options:
    """How to speak."""

    beam: int = 3  # beam width; 1 is greedy decoding
    length_penalty: float = 0.7  # a sentence's score is its log-probability / length ** this
    min_length: int = 3  # words
    max_length: int = 24  # words; longer sentences are cut
    no_repeat_ngram: int = 3  # no run of so many words twice in a sentence; 0 allows all
    sample: bool = False  # draw words by chance instead of searching for the likeliest sentence
    temperature: float = 1.0  # of sampling: below 1 safer, above 1 bolder
    top_p: float = 0.9  # of sampling: draw from the likeliest words that hold so much together
    seed: int = 0  # of sampling
    alternatives: int = 0  # further sentences, all different, the better first
    attention: bool = False  # also tell where the model looked at each word

    def __post_init__(self) -> None:
        """Refuse what makes no sense, naming the field and what is allowed."""
        at_least = {"beam": 1, "min_length": 0, "max_length": 1, "no_repeat_ngram": 0}
        for field, least in {**at_least, "alternatives": 0}.items():
            if getattr(self, field) < least:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least {least}")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length is {self.min_length}, more than max_length")
        if not -10 <= self.length_penalty <= 10:
            raise ValueError(
                f"length_penalty is {self.length_penalty}; it must be at least -10 and at most 10"
            )
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0 and finite")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not -(2**63) <= self.seed < 2**64:
            raise ValueError(f"seed is {self.seed}; it must be a number of 64 bits")


@dataclass(frozen=True)
class Hypothesis:
    """One sentence as the model said it."""

    tokens: tuple[int, ...]  # word ids, without start and end
    logprobs: tuple[float, ...]  # natural logarithm of each word's probability, the end's last
    attention: torch.Tensor | None = None  # (words, regions), each row sums to 1

    @property
    def logprob(self) -> float:
        """Natural logarithm of the whole sentence's probability."""
        return math.fsum(self.logprobs)


@torch.inference_mode()
def generate(model: Model, memory: Memory, options: Options) -> list[list[Hypothesis]]:
    """Say what is in each photo.

    Args:
        model: in evaluation mode.
        memory: `model.encode(photos)`.
        options: how to speak.

    Returns:
        for each photo its sentence and then up to `options.alternatives` others, all different.
    """
    wanted = 1 + options.alternatives
    if options.sample:
        # Some draws coincide; twice as many as wanted leave enough that differ.
        rows = 1 if wanted == 1 else 2 * wanted
        found = _speak(model, memory, options, rows)
    elif options.beam == wanted == 1:
        found = _speak(model, memory, options, 1)
    else:
        found = _beam_search(model, memory, options, max(options.beam, wanted))
    chosen = [_distinct(hypotheses)[:wanted] for hypotheses in found]
    if options.sample:
        # The first draw stays first, so that asking for alternatives does not change it.
        chosen = [[first, *_better_first(others, options)] for first, *others in chosen]
    if options.attention and model.config.attention:
        chosen = _with_attention(model, memory, chosen)
    return chosen


def _distinct(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    return list({hypothesis.tokens: hypothesis for hypothesis in hypotheses}.values())


def _better_first(hypotheses: list[Hypothesis], options: Options) -> list[Hypothesis]:
    def score(hypothesis: Hypothesis) -> float:
        return hypothesis.logprob / len(hypothesis.logprobs) ** options.length_penalty

    return sorted(hypotheses, key=score, reverse=True)


def _speak(model: Model, memory: Memory, options: Options, rows: int) -> list[list[Hypothesis]]:
    """Go word by word without looking back: greedy, or `rows` samples of each photo."""
    batch, device = memory.regions.shape[0], memory.regions.device
    # Every photo draws with the same numbers, so that its neighbours do not change its samples.
    generator = torch.Generator().manual_seed(options.seed)
    chance = torch.rand(rows, options.max_length, generator=generator).to(device)
    tokens = torch.full((batch, rows, options.max_length + 1), END, device=device)
    tokens[:, :, 0] = START
    logprobs = torch.zeros(batch, rows, options.max_length, device=device)
    photos = torch.arange(batch, device=device)
    state = model.decoder.begin(memory, rows)
    for length in range(options.max_length):
        history = tokens[photos, :, : length + 1].flatten(0, 1)
        said, state, _ = model.step(history[:, -1], state, memory)
        allowed = _forbid(said, history, options)
        if options.sample:
            words = _draw(allowed, chance[:, length].repeat(photos.numel()), options)
        else:
            words = allowed.argmax(-1)
        ended = (history[:, 1:] == END).any(-1)
        words = words.masked_fill(ended, END)
        spoken = said.gather(1, words[:, None])[:, 0].masked_fill(ended, 0.0)
        tokens[photos, :, length + 1] = words.view(-1, rows)
        logprobs[photos, :, length] = spoken.view(-1, rows)
        going = (words != END).view(-1, rows).any(1)
        if not going.any():
            break
        photos, memory, state = _leave(going, photos, memory, state, rows)
    return _hypotheses(tokens, logprobs)


def _draw(allowed: torch.Tensor, chance: torch.Tensor, options: Options) -> torch.Tensor:
    """Nucleus sampling (Holtzman et al., ICLR 2020) by the inverse of the distribution function."""
    # Measured from the likeliest word, no temperature makes every word impossible.
    below_best = allowed - allowed.amax(-1, keepdim=True)
    temperature = max(options.temperature, torch.finfo(allowed.dtype).tiny)
    probabilities, words = (below_best / temperature).softmax(-1).sort(-1, descending=True)
    below = probabilities.cumsum(-1)
    nucleus = probabilities.masked_fill(below - probabilities >= options.top_p, 0.0).cumsum(-1)
    index = torch.searchsorted(nucleus, chance[:, None] * nucleus[:, -1:], right=True)
    kept = (nucleus < nucleus[:, -1:]).sum(-1, keepdim=True)
    return words.gather(1, index.minimum(kept))[:, 0]


def _beam_search(model: Model, memory: Memory, options: Options, k: int) -> list[list[Hypothesis]]:
    """Keep the `k` likeliest beginnings; what ends among them is set aside, scored by length."""
    batch, device = memory.regions.shape[0], memory.regions.device
    length_limit = options.max_length
    finished = torch.full((batch, k), -torch.inf, device=device)
    finished_tokens = torch.full((batch, k, length_limit + 1), END, device=device)
    finished_logprobs = torch.zeros(batch, k, length_limit, device=device)
    photos = torch.arange(batch, device=device)
    tokens = torch.full((batch, k, 1), START, device=device)
    logprobs = torch.zeros(batch, k, 0, device=device)
    scores = torch.full((batch, k), -torch.inf, device=device)
    scores[:, 0] = 0.0
    state = model.decoder.begin(memory, k)

    def keep_best(new: torch.Tensor, tokens: torch.Tensor, logprobs: torch.Tensor) -> None:
        """Merge sentences `(searching, k, length)` with scores `new` into the finished ones."""
        room = length_limit - logprobs.shape[-1]
        both = torch.cat((finished[photos], new), 1)
        finished[photos], best = both.topk(k)
        ended = torch.nn.functional.pad(tokens, (0, room), value=END)
        said = torch.nn.functional.pad(logprobs, (0, room))
        finished_tokens[photos] = _pick(torch.cat((finished_tokens[photos], ended), 1), best)
        finished_logprobs[photos] = _pick(torch.cat((finished_logprobs[photos], said), 1), best)

    for length in range(1, length_limit + 1):
        history = tokens.flatten(0, 1)
        said, state, _ = model.step(history[:, -1], state, memory)
        totals = scores.view(-1, 1) + _forbid(said, history, options)
        vocabulary = totals.shape[1]
        # Of 2k candidates at most k end, so k stay to go on with.
        candidates, index = totals.view(-1, k * vocabulary).topk(2 * k)
        parents, words = index // vocabulary, index % vocabulary
        spoken = said.view(-1, k * vocabulary).gather(1, index)
        tokens = torch.cat((_pick(tokens, parents), words[..., None]), -1)
        logprobs = torch.cat((_pick(logprobs, parents), spoken[..., None]), -1)
        ends = words == END
        normalized = candidates / length**options.length_penalty
        keep_best(normalized.masked_fill(~ends, -torch.inf)[:, :k], tokens[:, :k], logprobs[:, :k])
        scores, alive = candidates.masked_fill(ends, -torch.inf).topk(k)
        tokens, logprobs, parents = (
            _pick(tokens, alive),
            _pick(logprobs, alive),
            parents.gather(1, alive),
        )
        rows = (parents + k * torch.arange(parents.shape[0], device=device)[:, None]).flatten()
        state = tuple(part[rows] for part in state)
        hope = scores[:, 0] / length**options.length_penalty
        going = hope > finished[photos, -1]
        if not going.any():
            break
        if length == length_limit:
            # Sentences that were cut rank behind every one that ended.
            rank = torch.arange(1, k + 1, device=device)
            keep_best(torch.where(scores > -torch.inf, -1e25 * rank, scores), tokens, logprobs)
            break
        photos, memory, state = _leave(going, photos, memory, state, k)
        tokens, logprobs, scores = tokens[going], logprobs[going], scores[going]
    found = _hypotheses(finished_tokens, finished_logprobs)
    return [
        [hypothesis for hypothesis, score in zip(row, marks, strict=True) if score > -math.inf]
        for row, marks in zip(found, finished.tolist(), strict=True)
    ]


def _forbid(logprobs: torch.Tensor, history: torch.Tensor, options: Options) -> torch.Tensor:
    """Rule out what must not be said next: `(rows, vocabulary)`, with the words so far."""
    allowed = logprobs.clone()
    allowed[:, list(NEVER_SAID)] = -torch.inf
    said = history.shape[1] - 1
    if said < options.min_length:
        allowed[:, END] = -torch.inf
    n = options.no_repeat_ngram
    if n and said >= n:
        runs = history[:, 1:].unfold(1, n, 1)
        last = history[:, said + 2 - n :]
        again = (runs[:, :, :-1] == last[:, None]).all(-1)
        banned = torch.where(again, runs[:, :, -1], PAD)
        allowed.scatter_(1, banned, -torch.inf)
    # Where nothing may be said any more the sentence ends, whatever its length and probability.
    stuck = allowed.amax(-1) == -torch.inf
    end = logprobs[:, END].clamp_min(-1e30)
    allowed[:, END] = torch.where(stuck, end, allowed[:, END])
    return allowed


def _leave(
    going: torch.Tensor, photos: torch.Tensor, memory: Memory, state: State, rows: int
) -> tuple[torch.Tensor, Memory, State]:
    if going.all():
        return photos, memory, state
    kept = tuple(part.unflatten(0, (-1, rows))[going].flatten(0, 1) for part in state)
    return photos[going], memory.select(going.nonzero()[:, 0]), kept


def _pick(rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Take from `(batch, rows, length)` the rows `(batch, k)` of each photo."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))


def _hypotheses(tokens: torch.Tensor, logprobs: torch.Tensor) -> list[list[Hypothesis]]:
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
    model: Model, memory: Memory, found: list[list[Hypothesis]]
) -> list[list[Hypothesis]]:
    """Say the sentences again and note where the model looks; searches need not carry it along."""
    rows = max(len(hypotheses) for hypotheses in found)
    longest = max(len(hypothesis.tokens) for row in found for hypothesis in row)
    tokens = torch.full((len(found), rows, longest + 1), START, device=memory.regions.device)
    for photo, hypotheses in enumerate(found):
        for row, hypothesis in enumerate(hypotheses):
            tokens[photo, row, 1 : 1 + len(hypothesis.tokens)] = torch.tensor(hypothesis.tokens)
    state = model.decoder.begin(memory, rows)
    looks = []
    for step in range(longest):
        _, state, weights = model.step(tokens[:, :, step].flatten(), state, memory)
        assert weights is not None
        looks.append(weights.view(len(found), rows, -1))
    nowhere = memory.regions.new_zeros(len(found), rows, 0, memory.regions.shape[1])
    seen = (torch.stack(looks, dim=2) if looks else nowhere).float().cpu()
    return [
        [
            Hypothesis(
                hypothesis.tokens, hypothesis.logprobs, seen[photo, row, : len(hypothesis.tokens)]
            )
            for row, hypothesis in enumerate(hypotheses)
        ]
        for photo, hypotheses in enumerate(found)
    ]
