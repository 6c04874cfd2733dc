"""What a batch computes for a photo does not depend on what else is in it."""

import numpy as np
import pytest

from captioner.forward_pass import ForwardPass, Request
from captioner.options import Options
from captioner.photo.sandbox import Unpacked
from captioner.result import Caption
from captioner.runtime.protocols import Squares
from captioner.serving import Measurement
from captioner.speakers import Speakers
from tests.conftest import Trained, on_cpu, tiny_matching

PHOTOS: Squares = np.random.default_rng(2).integers(256, size=(4, 64, 64, 3), dtype=np.uint8)


def requests(*options: Options | None) -> list[Request]:
    return [Request(Unpacked(PHOTOS[index], 0.1), one, 0) for index, one in enumerate(options)]


def forward_pass(tiny: Trained, measured: list[Measurement] | None = None) -> ForwardPass:
    metadata, network = on_cpu(tiny)
    observe = (measured if measured is not None else []).append
    return ForwardPass(metadata, network, Speakers(metadata, network, None), observe)


def test_frames_and_photos_share_a_batch(tiny: Trained) -> None:
    measured: list[Measurement] = []
    mixed = forward_pass(tiny, measured).answer(requests(None, Options(), None, Options(beam=1)))
    alone = forward_pass(tiny).answer(requests(Options(), Options(), Options(), Options(beam=1)))
    assert [isinstance(answer, Caption) for answer in mixed] == [False, True, False, True]
    for index in (1, 3):
        one, other = mixed[index], alone[index]
        assert isinstance(one, Caption)
        assert isinstance(other, Caption)
        assert one.text == other.text
        assert one.logprob == pytest.approx(other.logprob)
    assert [(one.stage, one.photos) for one in measured] == [("encoder", 4), ("decoder", 2)]


def test_nothing_is_searched_where_only_features_are_wanted(tiny: Trained) -> None:
    measured: list[Measurement] = []
    answers = forward_pass(tiny, measured).answer(requests(None, None))
    assert [one.stage for one in measured] == ["encoder"]
    assert [answer.shape for answer in answers if isinstance(answer, np.ndarray)] == 2 * [(512,)]


def test_features_are_embeddings_if_the_checkpoint_has_them(tiny: Trained) -> None:
    matching = tiny_matching()
    found = forward_pass(tiny.having(matching=matching)).answer(requests(None, None))
    pooled = forward_pass(tiny).answer(requests(None, None))
    assert np.allclose(np.stack(found), matching.embed(np.stack(pooled)), atol=1e-5)  # type: ignore[arg-type]
    assert np.linalg.norm(np.stack(found), axis=1) == pytest.approx(1)  # type: ignore[arg-type]
