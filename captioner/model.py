"""The network: a ResNet encoder and a recurrent decoder.

Show, Attend and Tell (Xu et al., ICML 2015, arXiv:1502.03044): soft attention with a gate, and a
deep output layer. Without attention every word gets the mean of the whole grid as its context, as
in LRCN (Donahue et al., CVPR 2015, arXiv:1411.4389).
"""

import itertools
from typing import Self

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from captioner.config import ModelConfig
from captioner.products import multiply
from captioner.runtime import protocols
from captioner.runtime.protocols import Candidates, Floats, Ids
from captioner.vision import models
from captioner.vocabulary import PAD

State = tuple[torch.Tensor, ...]
Memory = protocols.Memory[torch.Tensor]


class Encoder(nn.Module):
    """A torchvision ResNet up to its last grid, projected to the decoder's width."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the ResNet without weights and without its classifier."""
        super().__init__()
        resnet = getattr(models, config.encoder)(weights=None)
        self.channels: int = resnet.fc.in_features
        resnet.avgpool = nn.Identity()
        resnet.fc = nn.Identity()
        # Convolutions are about twice as fast with the channels last in memory.
        self.resnet = resnet.to(memory_format=torch.channels_last)
        self.projection = nn.Linear(self.channels, config.hidden_size)
        self.norm = (
            nn.BatchNorm1d(config.hidden_size)
            if config.batch_norm
            else nn.LayerNorm(config.hidden_size)
        )

    def grid(self, photos: torch.Tensor) -> torch.Tensor:
        """Encode normalized photos `(batch, 3, height, width)` to `(batch, regions, channels)`."""
        x = photos
        for stage in self.stages():
            x = stage(x)
        return x.flatten(2).transpose(1, 2)

    def stages(self) -> list[nn.Module]:
        """Return the modules in their order: the stem, then the ResNet's four layers."""
        resnet = self.resnet
        stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
        return [stem, resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4]

    def fold_batch_norms(self) -> None:
        """Have each convolution of the ResNet do what the batch norm behind it does, in evaluation.

        A network that was folded cannot be trained any more.
        """
        for module in self.resnet.modules():
            children = list(module.named_children())
            for (name, convolution), (norm_name, norm) in itertools.pairwise(children):
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(convolution.eval(), norm.eval()))
                    setattr(module, norm_name, nn.Identity())
        self.resnet.to(memory_format=torch.channels_last)

    def project(self, grid: torch.Tensor) -> torch.Tensor:
        """Project `(batch, regions, channels)` to `(batch, regions, hidden)`."""
        projected = self.projection(grid)
        if isinstance(self.norm, nn.BatchNorm1d):
            return self.norm(projected.transpose(1, 2)).transpose(1, 2)
        return self.norm(projected)


class Attention(nn.Module):
    """Additive attention (Bahdanau et al., 2015), or scaled dot-product attention."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the projections of queries and keys."""
        super().__init__()
        self.heads = config.heads
        self.key = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.energy = (
            nn.Linear(config.hidden_size, 1, bias=False)
            if config.attention_score == "additive"
            else None
        )

    def forward(self, hidden: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend to each photo, once for each of its rows.

        Args:
            hidden: `(batch, rows, hidden)`, several rows (beams, captions) for one photo.
            memory: of `batch` photos.

        Returns:
            context `(batch, rows, hidden)` and weights `(batch, rows, regions)` that sum to 1.
        """
        query = self.query(hidden)
        if self.energy is not None:
            mixed = torch.tanh(query.unsqueeze(2) + memory.keys.unsqueeze(1))
            weights = self.energy(mixed).squeeze(-1).softmax(-1)
            return weights @ memory.regions, weights
        queries, keys, values = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (query, memory.keys, memory.regions)
        )
        weights = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).softmax(-1)
        context = (weights @ values).transpose(1, 2).flatten(2)
        return context, weights.mean(1)


class Decoder(nn.Module):
    """A recurrent language model with the photo as context."""

    def __init__(self, config: ModelConfig) -> None:
        """Build embedding, recurrence, attention and output layers."""
        super().__init__()
        hidden, embedding = config.hidden_size, config.embedding_size
        self.embedding = nn.Embedding(config.vocabulary_size, embedding)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        self.attention = Attention(config) if config.attention else None
        cell = nn.LSTMCell if config.cell == "lstm" else nn.GRUCell
        self.cell = cell(embedding + hidden, hidden)
        self.start = nn.Linear(hidden, config.start_size)
        self.gate = nn.Linear(hidden, hidden)
        self.deep = nn.Linear(hidden + hidden + embedding, embedding)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(embedding, config.vocabulary_size)
        if config.tie_embeddings:
            self.tie()

    def tie(self) -> None:
        """Have the output layer share the weights of the embedding."""
        self.output.weight = self.embedding.weight

    def prepare(self, regions: torch.Tensor, pooled: torch.Tensor) -> Memory:
        """Compute once what every step uses.

        Args:
            regions: `(batch, regions, hidden)`, as `Encoder.project` returns them.
            pooled: `(batch, channels)`, the mean of the grid that they come from.
        """
        mean = regions.mean(1)
        start = torch.tanh(self.start(mean)).split(self.cell.hidden_size, dim=-1)
        if self.attention is None:
            return Memory(mean.unsqueeze(1), regions[:, :0], start, pooled)
        return Memory(regions, self.attention.key(regions), start, pooled)

    def begin(self, memory: Memory, rows: int) -> State:
        """Return the state before the first word: each tensor `(batch * rows, hidden)`."""
        return tuple(part.repeat_interleave(rows, dim=0) for part in memory.start)

    def advance(
        self, embedded: torch.Tensor, state: State, memory: Memory
    ) -> tuple[torch.Tensor, State, torch.Tensor | None]:
        """Take one step in every row.

        Args:
            embedded: `(batch * rows, embedding)`, the last word.
            state: each tensor `(batch * rows, hidden)`.
            memory: of `batch` photos.

        Returns:
            features for the output layer, the next state, and attention weights
            `(batch * rows, regions)`, None without attention.
        """
        rows = state[0].unflatten(0, (memory.regions.shape[0], -1))
        if self.attention is None:
            context, weights = memory.regions.expand_as(rows), None
        else:
            context, weights = self.attention(rows, memory)
        gated = torch.sigmoid(self.gate(state[0])) * context.flatten(0, 1)
        state = self._recur(torch.cat((embedded, gated), dim=-1), state)
        features = torch.cat((state[0], gated, embedded), dim=-1)
        return features, state, None if weights is None else weights.flatten(0, 1)

    def predict(self, features: torch.Tensor) -> torch.Tensor:
        """Turn features of any leading shape into logits `(..., vocabulary)`."""
        hidden = torch.tanh(self.deep(self.dropout(features)))
        return self.output(self.dropout(hidden))

    def _recur(self, inputs: torch.Tensor, state: State) -> State:
        if isinstance(self.cell, nn.LSTMCell):
            return self.cell(inputs, (state[0], state[1]))
        return (self.cell(inputs, state[0]),)


class Model(nn.Module):
    """The encoder and the decoder."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @classmethod
    def without_weights(cls, config: ModelConfig) -> Self:
        """Build a network whose weights are to be loaded; to draw millions at random takes time."""
        with torch.device("meta"):
            model = cls(config)
        model.to_empty(device="cpu")
        if config.tie_embeddings:
            model.decoder.tie()  # each had got memory of its own
        return model

    def encode(self, photos: torch.Tensor) -> Memory:
        """Encode normalized photos `(batch, 3, height, width)`."""
        return self.encode_grid(self.encoder.grid(photos))

    def encode_grid(self, grid: torch.Tensor) -> Memory:
        """Encode photos from the output of `Encoder.grid`: `(batch, regions, channels)`."""
        return self.decoder.prepare(self.encoder.project(grid), grid.mean(1))

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return memory.pooled.float().cpu().numpy()

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply on one core; see `protocols.Network`."""
        return multiply(rows, matrix)

    def begin(self, memory: Memory) -> "TorchState":
        """Return the state before the first word; see `protocols.Network`."""
        return TorchState(self, memory)

    @torch.inference_mode()
    def attention(self, tokens: Ids, memory: Memory) -> Floats | None:
        """Return where sentences look; see `protocols.Network`."""
        state = self.decoder.begin(memory, tokens.shape[1])
        maps = []
        for words in torch.as_tensor(tokens, device=state[0].device).flatten(0, 1).unbind(1):
            embedded = self.decoder.embedding(words)
            _, state, weights = self.decoder.advance(embedded, state, memory)
            if weights is None:
                return None
            maps.append(weights)
        return torch.stack(maps, dim=1).unflatten(0, tokens.shape[:2]).float().cpu().numpy()

    @torch.inference_mode()
    def step(
        self, tokens: torch.Tensor, state: State, memory: Memory
    ) -> tuple[torch.Tensor, State]:
        """Predict the next word of every row.

        Args:
            tokens: `(batch * rows,)`, the last word of each row.
            state: each tensor `(batch * rows, hidden)`.
            memory: of `batch` photos.

        Returns:
            log-probabilities `(batch * rows, vocabulary)` in single precision, and the next state.
        """
        embedded = self.decoder.embedding(tokens)
        features, state, _ = self.decoder.advance(embedded, state, memory)
        return functional.log_softmax(self.decoder.predict(features).float(), dim=-1), state

    def forward(
        self, images: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Teacher forcing: predict each word from the true words before it.

        Args:
            images: normalized photos `(batch, 3, height, width)`, or the output of `Encoder.grid`
                for them, `(batch, regions, channels)`.
            tokens: `(batch * rows, length)`, START, words, END, and PAD to the end; the same
                number of captions for each photo.

        Returns:
            logits `(words, vocabulary)` for the words of `tokens[:, 1:]` that are not PAD, row by
            row, and attention weights `(batch * rows, length - 1, regions)`, None without.
        """
        memory = self.encode(images) if images.dim() == 4 else self.encode_grid(images)
        return self.predict(memory, tokens)

    def predict(
        self, memory: Memory, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Predict each word of the captions of encoded photos; see `forward`."""
        decoder = self.decoder
        state = decoder.begin(memory, tokens.shape[0] // memory.regions.shape[0])
        features, maps = [], []
        for embedded in decoder.dropout(decoder.embedding(tokens[:, :-1])).unbind(1):
            feature, state, weights = decoder.advance(embedded, state, memory)
            features.append(feature)
            maps.append(weights)
        # The output layer takes most of a step's time: it computes all words at once, but no PAD.
        logits = decoder.predict(torch.stack(features, dim=1)[tokens[:, 1:] != PAD])
        if decoder.attention is None:
            return logits, None
        return logits, torch.stack([weights for weights in maps if weights is not None], dim=1)


class TorchState:
    """The state of a search as tensors; see `protocols.DecoderState`."""

    def __init__(self, model: Model, memory: Memory) -> None:
        """Begin before the first word."""
        self._model, self._memory, self._state = model, memory, memory.start
        self._rows = 1  # of each photo

    @torch.inference_mode()
    def step(self, tokens: Ids, parents: Ids, count: int) -> Candidates:
        """Predict the next word of every row; see `protocols.DecoderState`."""
        photos = parents[:, 0] // self._rows
        if len(photos) < len(self._memory.regions):
            self._memory = self._memory.select(photos)
        self._rows = tokens.shape[1]
        device = self._state[0].device
        continued = torch.as_tensor(parents, device=device).flatten()
        state = tuple(part[continued] for part in self._state)
        words = torch.as_tensor(tokens, device=device).flatten()
        logprobs, self._state = self._model.step(words, state, self._memory)
        # A sort, because `topk` orders words that are equally likely by chance.
        found, ids = (
            part[:, :count].unflatten(0, tokens.shape).cpu().numpy()
            for part in logprobs.sort(dim=-1, descending=True, stable=True)
        )
        return Candidates(ids, found)
