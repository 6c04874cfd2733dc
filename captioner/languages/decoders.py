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
from typing import Self

import torch
from torch import nn

from captioner.checkpoint import CheckpointError
from captioner.config import ModelConfig
from captioner.languages.file import Floats, LanguagesFile, Table
from captioner.languages.file import Words as SavedWords
from captioner.model import Decoder, Encoder, Model

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

    @classmethod
    def load(cls, file: LanguagesFile, model: Model) -> Self:
        """Read the decoders of a checkpoint's languages.

        Args:
            file: of the languages.
            model: of the checkpoint, on its device; the result is there too, in its precision.

        Raises:
            CheckpointError: the file does not belong to such a checkpoint.
        """
        words = {code: file.words(code) for code in file.codes}
        sizes = {code: len(found.bias) for code, found in words.items()}
        decoders = cls(model.decoder, model.config, sizes)
        state = {f"shared.{name}": array for name, array in file.shared().items()}
        for code, found in words.items():
            state[f"words.{code}.embedding.weight"] = found.embedding.all()
            state[f"words.{code}.bias"] = found.bias
            state[f"words.{code}.start"] = found.start
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        try:
            rest = decoders.load_state_dict(tensors, strict=False)
        except RuntimeError as error:
            raise CheckpointError(file.path, "it belongs to another network") from error
        if rest.unexpected_keys or set(rest.missing_keys) - set(decoders.frozen()):
            raise CheckpointError(file.path, "it belongs to another network")
        parameter = next(model.parameters())
        return decoders.to(parameter.device, parameter.dtype).eval()

    def frozen(self) -> list[str]:
        """Return the names of the weights that are the checkpoint's."""
        own = {name for name, value in self.named_parameters() if value.requires_grad}
        return [name for name in self.state_dict() if name not in own]

    def arrays(self) -> dict[str, Floats]:
        """Return the weights that the languages share, but for the checkpoint's."""
        frozen = self.frozen()
        return {
            name.removeprefix("shared."): tensor.detach().float().cpu().numpy()
            for name, tensor in self.state_dict().items()
            if name.startswith("shared.") and name not in frozen
        }

    def saved(self, code: str) -> SavedWords:
        """Return what a language has of its own, as its file has it."""
        words = self.words[code]
        assert isinstance(words, Words)
        embedding, bias, start = (
            tensor.detach().float().cpu().numpy()
            for tensor in (words.embedding.weight, words.bias, words.start)
        )
        return SavedWords(Table.of(embedding), bias, start)

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

    def set_dropout(self, share: float) -> None:
        """Set the dropout of training."""
        dropout = self.shared["dropout"]
        assert isinstance(dropout, nn.Dropout)
        dropout.p = share
