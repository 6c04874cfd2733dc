"""How much several captions of a photo differ."""

import pytest

from train.scoring.diversity import diversity
from train.scoring.scores import Scorer

REFERENCES = {
    "dog": ["a black dog runs across the grass", "a dog is running"],
    "child": ["two children play in the water", "children are swimming"],
    "bench": ["a man sits on a red bench", "someone sits on a bench"],
}
SAME = {photo: [texts[0], texts[0]] for photo, texts in REFERENCES.items()}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(REFERENCES, tokenizer="python")


def test_the_same_twice_is_half_as_distinct_and_no_better(scorer: Scorer) -> None:
    found = diversity(SAME, scorer)
    assert found.captions == 2
    assert found.distinct2 == pytest.approx(50)
    assert found.best_cider == pytest.approx(found.mean_cider)


def test_the_best_is_chosen_photo_by_photo(scorer: Scorer) -> None:
    captions = {
        "dog": ["nothing", REFERENCES["dog"][0]],
        "child": [REFERENCES["child"][0], "nothing"],
        "bench": [REFERENCES["bench"][0]],
    }
    found = diversity(captions, scorer)
    assert found.best_cider == pytest.approx(diversity(SAME, scorer).best_cider)
    assert found.mean_cider < found.best_cider
    assert found.captions == pytest.approx(5 / 3)


def test_words_are_counted_once(scorer: Scorer) -> None:
    captions = {"dog": ["a dog", "a cat"], "child": ["a dog"], "bench": ["a", "a"]}
    found = diversity(captions, scorer)
    assert found.words == 3
    assert found.distinct1 == pytest.approx((75 + 100 + 50) / 3)
    assert found.distinct2 == pytest.approx(100)
    assert "distinct-1 75.0 %" in found.line()
