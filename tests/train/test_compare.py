"""Runs side by side: the table, its files, and folders that are not runs."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from train.compare import compare
from train.errors import SettingError
from train.run_folder import RunError

HEADER = "epoch,phase,train_loss,val_loss,val_cider,val_bleu4,learning_rate,seconds\n"
SETTINGS = {"encoder": "resnet18", "cell": "lstm", "attention": True, "seed": 1}


def run_folder(
    folder: Path,
    ciders: tuple[float, ...] = (10.0, 30.25, 20.0),
    scores: dict[str, object] | None = None,
    **settings: object,
) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(SETTINGS | settings))
    lines = [f"{n},frozen,3.5,3.6,{c},{c / 3},0.0006,9.5\n" for n, c in enumerate(ciders, start=1)]
    (folder / "metrics.csv").write_text(HEADER + "".join(lines))
    if scores is not None:
        (folder / "scores.json").write_text(json.dumps(scores))
    return folder


def table_of(printed: str) -> list[list[str]]:
    """Split the table into cells; headers of several words are joined by one space."""
    lines = printed.split("\n\n")[-1].splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_only_settings_that_differ_have_a_column(tmp_path: Path) -> None:
    lstm = run_folder(tmp_path / "first")
    gru = run_folder(tmp_path / "second", (5.0,), cell="gru", attention=False)
    printed = compare([lstm, gru], tmp_path / "out")

    assert printed.startswith("in every run: encoder resnet18\n\n")
    assert table_of(printed) == [
        ["run", "cell", "attention", "epochs done", "best val CIDEr", "in epoch"],
        ["first", "lstm", "true", "3", "30.2", "2"],
        ["second", "gru", "false", "1", "5.0", "1"],
    ]


def test_columns_are_aligned(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / "a"), run_folder(tmp_path / "a-longer-name", cell="gru")]
    lines = compare(runs, tmp_path / "out").split("\n\n")[-1].splitlines()

    assert (
        len({line.index(word) for line, word in zip(lines, ["cell", "lstm", "gru"], strict=True)})
        == 1
    )
    assert len({len(line) for line in lines}) == 1


def test_a_setting_that_one_run_does_not_know_is_no_difference(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / "a", attention_score="dot"), run_folder(tmp_path / "b")]
    assert "attention_score" not in compare(runs, tmp_path / "out")


def test_runs_with_the_same_name_are_shown_by_their_paths(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / "monday" / "lstm"), run_folder(tmp_path / "friday" / "lstm")]
    names = [row[0] for row in table_of(compare(runs, tmp_path / "out"))[1:]]
    assert names == [str(run) for run in runs]


def test_final_scores_are_shown_with_their_split_and_beam(tmp_path: Path) -> None:
    def evaluated(beam: int, **scores: float | None) -> dict[str, object]:
        results = {**scores, "tokenizer": "PTB"}
        return {"scores": results, "beam": beam, "length_penalty": 0.7, "split": "test"}

    runs = [
        run_folder(tmp_path / "a", scores=evaluated(5, bleu4=22.5, meteor=20.25, cider=57.125)),
        run_folder(tmp_path / "b", scores=evaluated(1, bleu4=19.5, meteor=None, cider=50)),
        run_folder(tmp_path / "c"),
    ]
    header, *rows = table_of(compare(runs, tmp_path / "out"))

    assert header == [
        "run", "beam", "epochs done", "best val CIDEr", "in epoch",
        "test BLEU-4", "test METEOR", "test CIDEr",
    ]  # fmt: skip
    assert rows[0][1:2] + rows[0][5:] == ["5", "22.5", "20.2", "57.1"]
    assert rows[1][1:2] + rows[1][5:] == ["1", "19.5", "-", "50.0"]
    assert rows[2][1:2] + rows[2][5:] == ["-", "-", "-", "-"]


def test_scores_of_different_splits_never_share_a_column(tmp_path: Path) -> None:
    runs = [
        run_folder(tmp_path / "a", scores={"scores": {"cider": 57.0}, "split": "test"}),
        run_folder(tmp_path / "b", scores={"scores": {"cider": 60.0}, "split": "val"}),
    ]
    header, *rows = table_of(compare(runs, tmp_path / "out"))

    assert header[-2:] == ["test CIDEr", "val CIDEr"]
    assert [row[-2:] for row in rows] == [["57.0", "-"], ["-", "60.0"]]


def test_the_csv_holds_the_table_with_full_figures(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / "a", (1.23456789,)), run_folder(tmp_path / "b", cell="gru")]
    compare(runs, tmp_path / "out")

    with (tmp_path / "out" / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["a", "b"]
    assert [row["cell"] for row in rows] == ["lstm", "gru"]
    assert rows[0]["best val CIDEr"] == "1.23456789"


def test_the_plot_has_a_line_for_each_run_and_bars_once_scored(tmp_path: Path) -> None:
    a = run_folder(tmp_path / "_a$^$")
    b = run_folder(tmp_path / "b", (15.0,), scores={"scores": {"cider": 57.0, "bleu4": 22.0}})
    compare([a, b], tmp_path / "scored")
    (b / "scores.json").unlink()
    compare([a, b], tmp_path / "unscored")

    blue, orange = (31, 119, 180), (255, 127, 14)
    shown = {}
    for name in ("scored", "unscored"):
        with Image.open(tmp_path / name / "compare.png") as opened:
            colours = opened.convert("RGB").getcolors(1 << 24) or []
        shown[name] = {colour: count for count, colour in colours}
        assert shown[name][blue] > 100
        assert shown[name][orange] > 10
    assert shown["scored"][orange] > 20 * shown["unscored"][orange]


def test_more_runs_than_colours_are_compared(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / f"run{n}", (float(n),), seed=n) for n in range(22)]
    assert len(table_of(compare(runs, tmp_path / "out"))) == 23


def test_a_different_tokenizer_has_a_column(tmp_path: Path) -> None:
    runs = [
        run_folder(tmp_path / name, scores={"scores": {"cider": 50.0, "tokenizer": tokenizer}})
        for name, tokenizer in (("a", "PTB"), ("b", "plain"))
    ]
    header, *rows = table_of(compare(runs, tmp_path / "out"))

    assert [row[header.index("tokenizer")] for row in rows] == ["PTB", "plain"]


def test_an_empty_list_of_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="one or more folders"):
        compare([], tmp_path / "out")


@pytest.mark.parametrize(
    ("broken", "text", "reason"),
    [
        ("config.json", None, "it has no config.json;"),
        ("metrics.csv", None, "it has no metrics.csv;"),
        ("metrics.csv", HEADER, "no finished epoch"),
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", "[]", "config.json must hold a JSON object"),
        ("scores.json", "", "scores.json is not JSON"),
        ("scores.json", '{"scores": []}', "scores.json must be a JSON object"),
        ("scores.json", '{"scores": {"cider": "high"}}', "high"),
        ("scores.json", '{"scores": {"cider": [1]}}', "not 'list'"),
    ],
)
def test_a_folder_that_is_not_a_run_is_named_with_the_problem(
    tmp_path: Path, broken: str, text: str | None, reason: str
) -> None:
    folder = run_folder(tmp_path / "mine")
    if text is None:
        (folder / broken).unlink()
    else:
        (folder / broken).write_text(text)

    with pytest.raises(RunError, match=rf"mine: not .*{reason}"):
        compare([run_folder(tmp_path / "whole"), folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_and_a_missing_one_have_their_own_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty: not .* no config\.json and no metrics\.csv"):
        compare([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(RunError, match=r"absent: not .* there is no such folder"):
        compare([tmp_path / "absent"], tmp_path / "out")
