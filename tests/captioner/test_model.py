import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from captioner.config import ConfigError, ModelConfig
from captioner.model import Model
from captioner.vocabulary import END, PAD, START
from tests.conftest import tiny_model

LOOKS: dict[str, dict[str, Any]] = {
    "plain": {"attention": False},
    "additive": {},
    "dot": {"attention_score": "dot"},
    "dot-4-heads": {"attention_score": "dot", "heads": 4},
}
DECODERS: dict[str, dict[str, Any]] = {
    f"{cell}-{name}": {"cell": cell, **fields}
    for cell in ("lstm", "gru")
    for name, fields in LOOKS.items()
}
every_decoder = pytest.mark.parametrize("name", DECODERS)


@functools.cache
def model_of(name: str) -> Model:
    model, first = tiny_model(**DECODERS[name]), next(iter(DECODERS))
    if name != first:
        model.encoder.resnet = model_of(first).encoder.resnet  # the same weights, held once
    return model


VOCABULARY, HIDDEN, REGIONS = 29, 32, 4
TOKENS = torch.tensor(
    [  # two photos, two captions each
        [START, 5, 9, 12, END],
        [START, 7, END, PAD, PAD],
        [START, 28, 4, END, PAD],
        [START, END, PAD, PAD, PAD],
    ]
)
WORDS = int((TOKENS[:, 1:] != PAD).sum())


def photos(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(7))


def queries() -> torch.Tensor:
    return torch.randn(2, 3, HIDDEN, generator=torch.Generator().manual_seed(8))


def teach(model: Model, images: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return model(images, tokens)[0].log_softmax(-1)


def test_every_encoder_has_the_layers_of_its_name_and_its_channels() -> None:
    layers, channels = {}, {}
    for depth in (18, 34, 50, 101, 152):
        with torch.device("meta"):
            encoder = Model(ModelConfig(VOCABULARY, f"resnet{depth}")).encoder  # type: ignore[arg-type]
        names = [name.split(".")[-1] for name, _ in encoder.resnet.named_modules()]
        # The classifier, left out, is the last layer that the name counts.
        layers[depth] = 1 + sum(name.startswith("conv") for name in names)
        channels[depth] = encoder.channels
        assert encoder.projection.in_features == encoder.channels
    assert layers == {depth: depth for depth in layers}
    assert channels == {18: 512, 34: 512, 50: 2048, 101: 2048, 152: 2048}


@pytest.mark.parametrize(("encoder", "channels"), [("resnet18", 512), ("resnet50", 2048)])
def test_a_photo_becomes_a_grid_of_regions(encoder: Any, channels: int) -> None:
    with torch.device("meta"):
        model = Model(ModelConfig(VOCABULARY, encoder, hidden_size=HIDDEN, embedding_size=16))
        photo = torch.empty(2, 3, 224, 224)
        assert model.config.channels == channels
        assert model.encoder.grid(photo).shape == (2, 7 * 7, channels)
        memory = model.encode(photo)
        assert memory.regions.shape == (2, 7 * 7, HIDDEN)
        assert memory.pooled.shape == (2, channels)


def test_regions_run_along_the_rows_of_the_photo() -> None:
    encoder = model_of("lstm-additive").encoder
    wide = torch.zeros(1, 3, 64, 128)
    bright_on_the_left = wide.clone()
    bright_on_the_left[..., :24] = 3
    with torch.inference_mode():
        change = (encoder.grid(bright_on_the_left) - encoder.grid(wide)).norm(dim=-1)
    rows = change.view(2, 4)
    assert (rows[:, 0] > 2 * rows[:, 3]).all()


@every_decoder
def test_shapes_are_as_documented(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        memory = model.encode(photos())
        assert memory.regions.shape == (2, 1 if "plain" in name else REGIONS, HIDDEN)
        state = model.decoder.begin(memory, rows=3)
        assert len(state) == (2 if name.startswith("lstm") else 1)
        logprobs, after = model.step(torch.arange(5, 11), state, memory)
        weights = model.attention(np.full((2, 3, 4), 5), memory)
        assert [part.shape for part in after] == [(6, HIDDEN)] * len(state)
        assert logprobs.shape == (6, VOCABULARY)
        torch.testing.assert_close(logprobs.exp().sum(-1), torch.ones(6))
        logits, maps = model(photos(), TOKENS)
        assert logits.shape == (WORDS, VOCABULARY)
    if "plain" not in name:
        assert weights is not None
        assert weights.shape == (2, 3, 4, REGIONS)
        assert maps.shape == (4, 4, REGIONS)
    else:
        assert weights is None
        assert maps is None


@every_decoder
def test_photos_and_their_grid_give_the_same(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        from_photos, _ = model(photos(), TOKENS)
        cached, _ = model(model.encoder.grid(photos()), TOKENS)
    torch.testing.assert_close(from_photos, cached)


@pytest.mark.parametrize("name", [name for name in DECODERS if "plain" in name])
def test_without_attention_the_context_is_the_mean_of_the_grid(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        memory = model.encode(photos())
        regions = model.encoder.project(model.encoder.grid(photos()))
        torch.testing.assert_close(memory.regions[:, 0], regions.mean(1))
        state = model.decoder.begin(memory, rows=1)
        tokens = torch.full((2,), 5)
        heard, _ = model.step(tokens, state, memory)
        other, _ = model.step(tokens, state, memory.select(np.array([1, 0])))
    assert (heard - other).abs().max() > 1e-3


@pytest.mark.parametrize("name", [name for name in DECODERS if "plain" not in name])
def test_attention_sums_to_one_and_moves_from_word_to_word(name: str) -> None:
    with torch.inference_mode():
        _, maps = model_of(name)(photos(), TOKENS)
    assert (maps >= 0).all()
    torch.testing.assert_close(maps.sum(-1), torch.ones(4, 4))
    assert not torch.allclose(maps[0, 0], maps[0, 1], atol=1e-4)
    assert not torch.allclose(maps[0, 0], maps[2, 0], atol=1e-4)


@pytest.mark.parametrize("name", ["lstm-additive", "lstm-dot"])
def test_the_context_is_the_weighted_mean_of_the_regions(name: str) -> None:
    model = model_of(name)
    assert model.decoder.attention is not None
    with torch.inference_mode():
        memory = model.encode(photos())
        context, weights = model.decoder.attention(queries(), memory)
    expected = torch.einsum("brn,bnh->brh", weights, memory.regions)
    torch.testing.assert_close(context, expected)


@torch.inference_mode()
def test_additive_attention_is_bahdanaus() -> None:
    model = model_of("lstm-additive")
    attention, memory, hidden = model.decoder.attention, model.encode(photos()), queries()
    assert attention is not None
    assert attention.energy is not None
    _, weights = attention(hidden, memory)
    for photo, row in itertools.product(range(2), range(3)):
        query = attention.query(hidden[photo, row])
        energies = [
            attention.energy.weight[0] @ torch.tanh(query + attention.key(region))
            for region in memory.regions[photo]
        ]
        torch.testing.assert_close(weights[photo, row], torch.stack(energies).softmax(0))


@torch.inference_mode()
def test_each_head_of_dot_product_attention_uses_its_own_share() -> None:
    model = model_of("lstm-dot-4-heads")
    attention, memory, hidden = model.decoder.attention, model.encode(photos()), queries()
    assert attention is not None
    context, weights = attention(hidden, memory)
    for photo, row in itertools.product(range(2), range(3)):
        query, weights_of_heads, context_of_heads = attention.query(hidden[photo, row]), [], []
        for part in torch.arange(HIDDEN).chunk(4):
            energies = memory.keys[photo][:, part] @ query[part] / len(part) ** 0.5
            weights_of_heads.append(energies.softmax(0))
            context_of_heads.append(weights_of_heads[-1] @ memory.regions[photo][:, part])
        torch.testing.assert_close(context[photo, row], torch.cat(context_of_heads))
        torch.testing.assert_close(weights[photo, row], torch.stack(weights_of_heads).mean(0))


@every_decoder
def test_teacher_forcing_equals_stepping(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        forced = teach(model, photos(), TOKENS)
        _, maps = model(photos(), TOKENS)
        memory = model.encode(photos())
        state = model.decoder.begin(memory, 2)
        rows = TOKENS[:, :-1].unflatten(0, (2, 2)).numpy()
        weights = model.attention(rows, memory)
        for position in range(TOKENS.shape[1] - 1):
            logprobs, state = model.step(TOKENS[:, position], state, memory)
            for row in range(len(TOKENS)):
                if TOKENS[row, position + 1] == PAD:
                    continue
                before = (TOKENS[:row, 1:] != PAD).sum() + position
                torch.testing.assert_close(forced[before], logprobs[row])
                if weights is not None:
                    found = torch.from_numpy(weights[row // 2, row % 2, position])
                    torch.testing.assert_close(maps[row, position], found)


@every_decoder
def test_padding_does_not_matter(name: str) -> None:
    model = model_of(name)
    longer = torch.nn.functional.pad(TOKENS, (0, 3), value=PAD)
    with torch.inference_mode():
        short, _ = model(photos(), TOKENS)
        padded, _ = model(photos(), longer)
    torch.testing.assert_close(short, padded)


@every_decoder
def test_a_caption_does_not_depend_on_its_neighbours(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        together = teach(model, photos(), TOKENS)
        # The third caption, of the second photo, alone.
        alone = teach(model, photos()[1:], TOKENS[2:3])
    first = int((TOKENS[:2, 1:] != PAD).sum())
    torch.testing.assert_close(together[first : first + len(alone)], alone)


@every_decoder
def test_the_next_word_depends_on_the_photo_and_every_word_before(name: str) -> None:
    model = model_of(name)
    other = TOKENS.clone()
    other[0, 1] = 6
    with torch.inference_mode():
        logprobs = teach(model, photos(), TOKENS)
        after_another_word = teach(model, photos(), other)
        of_other_photos = teach(model, photos().flip(0), TOKENS)
    assert not torch.isclose(logprobs, of_other_photos, atol=1e-3).all(-1).any()
    changed = ~torch.isclose(logprobs, after_another_word, atol=1e-3).all(-1)
    # The first word is predicted before it is fed in; nothing in the other captions changes.
    assert changed.tolist() == [False, True, True, True] + [False] * (WORDS - 4)


@every_decoder
def test_selected_photos_keep_their_memory(name: str) -> None:
    model = model_of(name)
    with torch.inference_mode():
        memory = model.encode(photos(3))
        chosen = memory.select(np.array([2, 0]))
        expected = model.encode(photos(3)[[2, 0]])
    for part, other in zip(chosen, expected, strict=True):
        torch.testing.assert_close(part, other)


def unmoved(model: Model, images: torch.Tensor) -> dict[str, float]:
    """Return the share of each weight's rows that no gradient reaches, unused words left out."""
    model.zero_grad()
    logits, _ = model(images, TOKENS)
    torch.nn.functional.cross_entropy(logits, TOKENS[:, 1:][TOKENS[:, 1:] != PAD]).backward()
    shares = {}
    for name, weight in model.named_parameters():
        moved = torch.zeros_like(weight) if weight.grad is None else weight.grad
        rows = moved.flatten(1).abs().amax(1) if moved.dim() > 1 else moved.abs()
        if name == "decoder.embedding.weight":
            rows = rows[TOKENS[:, :-1][(TOKENS[:, :-1] != PAD) & (TOKENS[:, :-1] != END)].unique()]
        shares[name] = (rows == 0).float().mean().item()
    return shares


@every_decoder
def test_the_gradient_reaches_every_weight_except_those_of_cached_features(name: str) -> None:
    model = model_of(name)
    with torch.no_grad():
        grid = model.encoder.grid(photos())
    for weight, share in unmoved(model, grid).items():
        assert share == weight.startswith("encoder.resnet."), weight


def test_fine_tuning_reaches_every_layer() -> None:
    for weight, share in unmoved(
        tiny_model(tie_embeddings=True, batch_norm=True), photos()
    ).items():
        # A ReLU may be shut for these few photos, so some channels stay unmoved.
        assert share < (0.5 if weight.startswith("encoder.resnet.") else 0.01), weight


def test_tied_embeddings_share_their_memory() -> None:
    tied, untied = tiny_model(tie_embeddings=True).decoder, model_of("lstm-plain").decoder
    assert tied.output.weight.data_ptr() == tied.embedding.weight.data_ptr()
    assert untied.output.weight.data_ptr() != untied.embedding.weight.data_ptr()


def test_batch_norm_takes_the_place_of_layer_norm() -> None:
    model = tiny_model(batch_norm=True).train()
    with torch.no_grad():
        regions = model.encoder.project(torch.randn(6, REGIONS, 512) * 5 + 3)
    torch.testing.assert_close(regions.mean((0, 1)), torch.zeros(HIDDEN), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        regions.var((0, 1), unbiased=False), torch.ones(HIDDEN), atol=1e-3, rtol=0
    )
    with torch.no_grad():
        regions = model_of("lstm-plain").encoder.project(torch.randn(6, REGIONS, 512) * 5 + 3)
    torch.testing.assert_close(regions.mean(-1), torch.zeros(6, REGIONS), atol=1e-5, rtol=0)


def test_dropout_is_only_for_training() -> None:
    model = tiny_model(dropout=0.5)
    with torch.inference_mode():
        grid = model.encoder.grid(photos())
        assert torch.equal(model(grid, TOKENS)[0], model(grid, TOKENS)[0])
        model.train()
        assert not torch.equal(model(grid, TOKENS)[0], model(grid, TOKENS)[0])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoder", "resnet19"),
        ("cell", "rnn"),
        ("attention_score", "cosine"),
        ("heads", 0),
        ("heads", 3),
        ("heads", 2),  # of additive attention
        ("vocabulary_size", 4),
        ("embedding_size", 0),
        ("hidden_size", -1),
        ("dropout", 1.5),
        ("dropout", -0.1),
        ("dropout", float("nan")),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{field} is .*; it must be ") as refused:
        ModelConfig(**{"vocabulary_size": VOCABULARY, field: value})
    assert refused.value.field == field


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig(VOCABULARY).hidden_size = 1  # type: ignore[misc]
