from collections.abc import Sequence

from captioner import Caption
from captioner.command_line.profile import STAGES, table
from captioner.result import Word


def caption(milliseconds: float, stages: Sequence[str] = STAGES[:-1]) -> Caption:
    words = tuple(Word(text, -1.0, None) for text in ("a", "dog", "runs", "far"))
    seconds = dict.fromkeys(stages, milliseconds / 1e3)
    return Caption("A dog runs far.", -4.0, 0.9, words, seconds=seconds)


def test_the_first_run_is_next_to_the_median_of_the_others() -> None:
    lines = table(caption(100), [caption(20), caption(2000), caption(10)]).splitlines()
    assert lines[1].split() == ["decode", "100.0", "20.0"]
    assert lines[-1].split() == ["all", "400.0", "80.0"]


def test_the_decoder_has_a_time_per_word() -> None:
    *_, decoder, _ = table(caption(100), [caption(20)]).splitlines()
    assert decoder.endswith("4 words, 5.0 ms each")


def test_only_the_stages_that_a_photo_passed_have_a_line() -> None:
    (*_, before, _), (*_, named, total) = (
        table(caption(100, stages), [caption(20, stages)]).splitlines()
        for stages in (STAGES[:-1], STAGES)
    )
    assert before.startswith("decoder")
    assert named.split() == ["naming", "100.0", "20.0"]
    assert total.split() == ["all", "500.0", "100.0"]
