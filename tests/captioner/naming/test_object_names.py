"""The table of names, and which of them is said."""

import re
from pathlib import Path

import numpy as np
import pytest

from captioner.naming.classifier import NAMES
from captioner.naming.object_names import ObjectNames, softmax

TABLE = ObjectNames.read(NAMES)
# Names without an article that are not plurals.
UNCOUNTED = {
    *("armor", "brain coral", "bread", "broccoli", "cattle", "chain mail", "chocolate sauce"),
    *("citrus fruit", "clear soup", "coral", "corn on the cob", "dough", "eggnog", "face powder"),
    *("food", "fruit", "furniture", "guacamole", "gymnastics equipment", "hairspray", "hay"),
    *("honeycomb", "ice cream", "laboratory glassware", "lipstick", "make-up"),
    *("mashed potato", "part of a car", "spaghetti carbonara", "sunscreen", "swimwear"),
    *("toilet paper", "velvet", "wool"),
}

ANIMALS = ObjectNames(
    [
        ("a tabby cat", "a cat", "an animal"),
        ("a Siamese cat", "a cat", "an animal"),
        ("a beagle", "a dog", "an animal"),
        ("a pug", "a dog", "an animal"),
        ("a cup",),
    ]
)


def said(classes: list[float], threshold: float = 0.8) -> list[str]:
    return [one.name for one in ANIMALS.sure(np.array(classes), threshold)]


def test_there_is_a_name_for_each_class_of_imagenet_in_their_order() -> None:
    rows = NAMES.read_text().splitlines()
    ids = [row.split("\t")[0] for row in rows[1:]]
    assert rows[0].split("\t") == ["class", "name", "kind", "wider", "widest"]
    assert len(ids) == len(TABLE.paths) == 1000
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"n\d{8}", one) for one in ids)
    assert not any(row != row.strip() or "  " in row for row in rows)


def test_a_name_has_its_article() -> None:
    for name in TABLE.names:
        article, _, rest = name.partition(" ")
        if article in ("a", "an"):
            vowel = re.match("[aeio]|hour|u(?!nic)", rest, re.IGNORECASE)
            assert article == ("an" if vowel else "a"), name
        assert article != "the", name


def test_names_without_an_article_are_plurals_or_not_counted() -> None:
    bare = {name for name in TABLE.names if not re.match("an? ", name)}
    singular = {name for name in bare if not name.endswith("s")}
    assert singular == UNCOUNTED


def test_the_names_are_plain_words() -> None:
    for name in TABLE.names:
        assert re.fullmatch(r"[A-Za-z' -]+", name), name
        assert len(name) <= 40, name


def test_a_name_comes_with_what_it_is_one_of() -> None:
    (tabby,) = ANIMALS.sure(np.array([0.9, 0.1, 0.0, 0.0, 0.0]), 0.8)
    assert (tabby.name, tabby.kinds) == ("a tabby cat", ("a cat", "an animal"))
    (cat,) = ANIMALS.sure(np.array([0.5, 0.4, 0.1, 0.0, 0.0]), 0.8)
    assert (cat.name, cat.kinds) == ("a cat", ("an animal",))


@pytest.mark.parametrize(
    ("one", "wider"),
    [
        ("a tabby cat", ("a cat", "an animal")),
        ("a golden retriever", ("a dog", "an animal")),
        ("an espresso", ("a cup",)),
        ("a laptop", ("a computer",)),
    ],
)
def test_classes_that_mean_the_same_to_most_people_share_a_wider_name(
    one: str, wider: tuple[str, ...]
) -> None:
    (path,) = {path for path in TABLE.paths if path[0] == one}
    assert path[1:] == wider
    assert sum(wider[0] in path for path in TABLE.paths) > 1


def test_a_wider_name_has_the_probability_of_all_its_classes() -> None:
    found = dict(
        zip(ANIMALS.names, ANIMALS.probabilities(np.array([0.1, 0.2, 0.3, 0.3, 0.1])), strict=True)
    )
    assert found["a cat"] == pytest.approx(0.3)
    assert found["an animal"] == pytest.approx(0.9)
    assert found["a cup"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ([0.9, 0.05, 0.03, 0.01, 0.01], ["a tabby cat"]),
        ([0.5, 0.4, 0.05, 0.03, 0.02], ["a cat"]),
        ([0.3, 0.2, 0.2, 0.2, 0.1], ["an animal"]),
        ([0.3, 0.1, 0.1, 0.1, 0.4], []),
        ([0.0, 0.0, 0.1, 0.1, 0.8], ["a cup"]),
    ],
)
def test_the_narrowest_name_that_is_sure_enough_is_said(
    classes: list[float], names: list[str]
) -> None:
    assert said(classes) == names


def test_of_several_names_the_likeliest_comes_first() -> None:
    assert said([0.0, 0.0, 0.2, 0.2, 0.6], threshold=0.2) == ["a cup", "a beagle", "a pug"]
    assert [round(one.confidence, 3) for one in ANIMALS.sure(np.array([0, 0, 0, 0, 1.0]), 0.5)] == [
        1.0
    ]


def test_a_name_means_the_same_everywhere() -> None:
    with pytest.raises(ValueError, match="'a crane'"):
        ObjectNames([("a crane", "a bird"), ("a crane",)])


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "names.tsv"
    table.write_text("class\tname\nn1\ta cat\nn2\n")
    with pytest.raises(ValueError, match="empty name"):
        ObjectNames.read(table)


def test_a_higher_temperature_makes_the_classes_less_sure() -> None:
    logits = np.array([[1.0, 2.0, 4.0], [1000.0, 0.0, 0.0]], np.float32)
    cold, warm = softmax(logits, 0.5), softmax(logits, 2)
    for found in (cold, warm):
        assert found.sum(-1) == pytest.approx(1)
        assert list(found.argmax(-1)) == [2, 0]
    assert cold[0, 2] > warm[0, 2]
