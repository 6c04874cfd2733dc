"""The decoders of several languages in PyTorch: one recurrence, and words for each language.

The attention, the recurrence and the output layers are the same for all. A language has its words,
whose table both reads and predicts them, and a vector that it adds to the start state. The keys of
the attention and the start state are those of the checkpoint, so that a photo is encoded once,
whatever the language (multilingual decoders that share all but their words: O. Firat, K. Cho and
Y. Bengio, *Multi-Way, Multilingual Neural Machine Translation*, NAACL 2016).
"""

import copy
import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from captioner.config import ModelConfig
from captioner.model import Decoder, Encoder, Memory, Model

SHARED = ("attention", "cell", "start", "gate", "deep", "dropout")


class Words(nn.Module):
    """What belongs to one language."""

    def __init__(self, config: ModelConfig) -> None:
        """Draw the words' weights at random."""
        super().__init__()
        size = config.embedding_size
        self.embedding = nn.Embedding(config.vocabulary_size, size)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary_size))
        self.start = nn.Parameter(torch.zeros(config.start_size))


class Decoders(nn.Module):
    """The decoders of several languages."""

    def __init__(self, decoder: Decoder, config: ModelConfig, sizes: Mapping[str, int]) -> None:
        """Begin with the weights of a checkpoint's decoder.

        Args:
            decoder: of the checkpoint; it stays as it is.
            config: of the checkpoint.
            sizes: the number of words of each language, by its code.
        """
        super().__init__()
        self.config = config
        shared = copy.deepcopy(decoder)
        self.shared = nn.ModuleDict({name: getattr(shared, name) for name in SHARED})
        # What photos are encoded to stays that of the checkpoint.
        shared.start.requires_grad_(False)
        if shared.attention is not None:
            shared.attention.key.requires_grad_(False)
        self.words = nn.ModuleDict(
            {code: Words(self.config_of(size)) for code, size in sizes.items()}
        )

    def config_of(self, words: int) -> ModelConfig:
        """Return the configuration of a language with a number of words."""
        return dataclasses.replace(self.config, vocabulary_size=words, tie_embeddings=True)

    def model(self, code: str, encoder: Encoder) -> Model:
        """Return a language's decoder behind an encoder; it shares its weights with this."""
        words = self.words[code]
        assert isinstance(words, Words)
        with torch.device("meta"):
            model = Model(self.config_of(words.embedding.num_embeddings))
        model.encoder = encoder
        for name, module in self.shared.items():
            setattr(model.decoder, name, module)
        model.decoder.embedding = words.embedding
        model.decoder.output.bias = words.bias
        model.decoder.tie()
        return model.train(self.training)

    def start(self, code: str) -> tuple[torch.Tensor, ...]:
        """Return what a language adds to each part of the start state: `(hidden,)` each."""
        words = self.words[code]
        assert isinstance(words, Words)
        return words.start.split(self.config.hidden_size)

    def started(self, code: str, memory: Memory) -> Memory:
        """Return photos with the start state of a language."""
        start = tuple(
            part + added for part, added in zip(memory.start, self.start(code), strict=True)
        )
        return memory._replace(start=start)
