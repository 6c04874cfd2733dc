"""A sweep over the classic variants: every row, once, and nothing chosen on test."""

import csv
import dataclasses
import json
import logging
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro
from safetensors.torch import load_file

from captioner import checkpoint
from tests.conftest import long
from tests.train.sweep.conftest import DECODINGS
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train import fit, run_folder
from train.__main__ import main
from train.fit import FitConfig
from train.run_folder import RunError, read_metrics
from train.self_critical import SelfCriticalConfig
from train.sweep import steps
from train.sweep.command import SweepConfig, SweepError, sweep
from train.sweep.results import Results
from train.sweep.scoring import Candidate, Decoding

pytestmark = pytest.mark.usefixtures("without_java", "in_single_precision", "slim_resnet18")

SMALL: Mapping[str, Any] = {
    "encoder": "resnet18",
    "embedding_size": 24,
    "hidden_size": 32,
    "dropout": 0.0,
    "min_count": 1,
    "size": 64,
    "photos": 3,
    "learning_rate": 2e-2,
    "average": 0.5,
    "device": "cpu",
    "precision": "fp32",
}
NAMES = ("base", "additive", "no-attention", "gru", "resnet18", "fine-tuned", "self-critical")


@dataclass(frozen=True)
class Bench:
    """What the sweeps of this file share."""

    folder: Path
    data: Path
    weights: Path

    def config(self, name: str, *only: str, **changes: Any) -> SweepConfig:
        config = SweepConfig(
            self.data,
            self.folder / name / "runs",
            (f"resnet18={self.weights}",),
            epochs=2,
            fine_tune=1,
            self_critical=1,
            only=only,
            results=self.folder / name / "results",
        )
        return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("sweep")
    weights = write_encoder_weights(folder / "resnet18-random.safetensors")
    return Bench(folder, write_dataset(folder / "data"), weights)


@pytest.fixture(scope="module")
def epochs() -> Counter[str]:
    """Return how many epochs `swept` trained, by run."""
    return Counter()


@pytest.fixture(scope="module")
def swept(bench: Bench, epochs: Counter[str]) -> SweepConfig:
    """Sweep everything that there are weights for."""
    config = bench.config("swept")
    with pytest.MonkeyPatch.context() as patch:
        count_epochs(patch, epochs)
        assert sweep(config, SMALL) == config.results / "sweep.html"
    return config


@pytest.fixture
def copied(swept: SweepConfig, tmp_path: Path) -> SweepConfig:
    """Return a sweep like `swept`, of which a test may change what it likes."""
    shutil.copytree(swept.runs, tmp_path / "runs", ignore=shutil.ignore_patterns("cache"))
    shutil.copytree(swept.results, tmp_path / "results")
    return dataclasses.replace(swept, runs=tmp_path / "runs", results=tmp_path / "results")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the epochs that are trained in a test, by run."""
    counts: Counter[str] = Counter()
    count_epochs(monkeypatch, counts)
    return counts


def count_epochs(monkeypatch: pytest.MonkeyPatch, counts: Counter[str]) -> None:
    """Count the epochs that are trained from now on, by run."""
    save = run_folder.save_state

    def count(run: Path, *rest: Any) -> None:
        save(run, *rest)
        counts[run.name] += 1

    monkeypatch.setattr(run_folder, "save_state", count)


def rows(config: SweepConfig) -> list[dict[str, str]]:
    with (config.results / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def decodings(config: SweepConfig, variant: str, split: str) -> list[tuple[str, str]]:
    return [
        (row["beam"], row["length_penalty"])
        for row in rows(config)
        if (row["variant"], row["split"]) == (variant, split)
    ]


def test_every_variant_has_its_rows(swept: SweepConfig) -> None:
    penalties = ["" if one.length_penalty is None else str(one.length_penalty) for one in DECODINGS]
    every = [(str(one.beam), penalty) for one, penalty in zip(DECODINGS, penalties, strict=True)]

    assert list(dict.fromkeys(row["variant"] for row in rows(swept))) == list(NAMES)
    for name in NAMES:
        assert decodings(swept, name, "val") == every
        assert len(decodings(swept, name, "test")) == (len(every) if name == "base" else 1)


def test_a_row_describes_its_training(swept: SweepConfig) -> None:
    by_name = {row["variant"]: row for row in rows(swept)}

    assert [by_name[name]["attention"] for name in NAMES[:4]] == ["dot", "additive", "none", "dot"]
    assert [by_name[name]["cell"] for name in NAMES[:4]] == ["lstm", "lstm", "lstm", "gru"]
    epochs = ("epochs", "fine_tuned_epochs", "self_critical_epochs")
    assert [by_name["base"][key] for key in epochs] == ["2", "0", "0"]
    assert [by_name["fine-tuned"][key] for key in epochs] == ["2", "1", "0"]
    assert [by_name["self-critical"][key] for key in epochs] == ["2", "0", "1"]
    base = by_name["base"]
    _, model = checkpoint.load(swept.runs / "base" / "best.safetensors")
    assert float(base["parameters"]) == pytest.approx(
        sum(p.numel() for p in model.parameters()) / 1e6, abs=0.01
    )
    assert (base["photos"], base["encoder_weights"]) == ("8", "resnet18-random.safetensors")
    assert "single precision" in base["machine"]
    spent = [
        metrics.seconds
        for name in ("base", "self-critical")
        for metrics in read_metrics(swept.runs / name / "metrics.csv")
    ]
    assert len(spent) == 3
    assert float(by_name["self-critical"]["training_seconds"]) == pytest.approx(
        sum(spent), abs=0.051
    )


def test_the_chosen_decoding_is_the_one_that_val_prefers(swept: SweepConfig) -> None:
    for name in NAMES:
        own = [row for row in rows(swept) if row["variant"] == name]
        best = max(
            (row for row in own if row["split"] == "val"), key=lambda row: float(row["cider"])
        )
        chosen = {(r["split"], r["beam"], r["length_penalty"]) for r in own if r["chosen"] == "yes"}
        assert chosen == {
            (split, best["beam"], best["length_penalty"]) for split in ("val", "test")
        }


def test_what_test_would_prefer_is_not_chosen(
    copied: SweepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied.results / "sweep.csv").unlink()
    score = Candidate.scores
    preferred = {"val": Decoding(5, 1.0), "test": Decoding(1, None)}
    with_meteor: list[tuple[str, Decoding]] = []

    def biased(self: Candidate, split: Any, decoding: Decoding, *, meteor: bool) -> Any:
        if meteor:
            with_meteor.append((split, decoding))
        cider = 300.0 if preferred[split] == decoding else 10.0
        return dataclasses.replace(score(self, split, decoding, meteor=meteor), cider=cider)

    monkeypatch.setattr(Candidate, "scores", biased)
    sweep(dataclasses.replace(copied, only=("base", "gru")), SMALL)

    assert decodings(copied, "gru", "test") == [("5", "1.0")]
    chosen = [row for row in rows(copied) if row["chosen"] == "yes"]
    assert {(row["beam"], row["length_penalty"]) for row in chosen} == {("5", "1.0")}
    assert len(chosen) == 4
    # METEOR takes its time, so it is computed for these alone.
    assert with_meteor == [("val", preferred["val"]), ("test", preferred["val"])] * 2


def test_a_finished_sweep_trains_and_scores_nothing(
    swept: SweepConfig, trained: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("was scored again")

    before = (swept.results / "sweep.csv").read_bytes()
    monkeypatch.setattr(Candidate, "scores", refuse)
    sweep(swept, SMALL)

    assert not trained
    assert (swept.results / "sweep.csv").read_bytes() == before


def test_an_interrupted_sweep_continues_without_training_twice(
    bench: Bench, swept: SweepConfig, trained: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bench.config("interrupted", "base", "gru")
    save, score = run_folder.save_state, Candidate.scores

    def stop_in_gru(run: Path, *rest: Any) -> None:
        save(run, *rest)
        if run.name == "gru" and trained["gru"] == 1:
            raise KeyboardInterrupt

    def stop_at_the_last(self: Candidate, split: Any, decoding: Decoding, *, meteor: bool) -> Any:
        if self.path.parent.name == "gru" and decoding == DECODINGS[-1]:
            raise KeyboardInterrupt
        return score(self, split, decoding, meteor=meteor)

    for name, owner, stop in (
        ("save_state", run_folder, stop_in_gru),
        ("scores", Candidate, stop_at_the_last),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stop)
            with pytest.raises(KeyboardInterrupt):
                sweep(config, SMALL)
    assert len(decodings(config, "gru", "val")) == len(DECODINGS) - 1
    sweep(config, SMALL)

    assert trained == {"base": 2, "gru": 2}
    for name in ("base", "gru"):
        assert_same_weights(config.runs / name, swept.runs / name)
        figures = ("split", "beam", "length_penalty", "chosen", "cider", "bleu4", "distinct_words")
        ours, theirs = (
            [[row[key] for key in figures] for row in rows(one) if row["variant"] == name]
            for one in (config, swept)
        )
        assert ours == theirs


def assert_same_weights(run: Path, other: Path) -> None:
    ours, theirs = (load_file(folder / "state.safetensors") for folder in (run, other))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_begins_with_the_bases_epochs_does_not_train_them_again(
    swept: SweepConfig, epochs: Counter[str]
) -> None:
    further = ("fine-tuned", "self-critical")
    assert epochs == {name: 1 if name in further else 2 for name in NAMES}


@long
def test_what_is_fine_tuned_begins_with_the_bases_epochs(
    copied: SweepConfig, swept: SweepConfig, trained: Counter[str]
) -> None:
    shutil.rmtree(copied.runs / "fine-tuned")
    sweep(dataclasses.replace(copied, only=("fine-tuned",)), SMALL)

    assert trained == {"fine-tuned": 1}
    assert_same_weights(copied.runs / "fine-tuned", swept.runs / "fine-tuned")


@long
def test_what_begins_with_the_bases_epochs_is_what_its_command_trains(
    bench: Bench, swept: SweepConfig
) -> None:
    row = next(row for row in rows(swept) if row["variant"] == "fine-tuned")
    [config] = parse(row["command"])
    assert isinstance(config, FitConfig)
    alone = dataclasses.replace(
        config, run=bench.folder / "alone", cache=swept.runs / "cache/alone"
    )
    fit.fit(alone)

    assert_same_weights(swept.runs / "fine-tuned", alone.run)
    ours, theirs = (
        (run / "config.json").read_text() for run in (swept.runs / "fine-tuned", alone.run)
    )
    assert ours == theirs


def parse(command: str) -> list[FitConfig | SelfCriticalConfig]:
    """Read a row's command as the command line does."""
    kinds = {"fit": FitConfig, "self-critical": SelfCriticalConfig}
    found: list[FitConfig | SelfCriticalConfig] = []
    for part in command.split(" && "):
        python, dash_m, train, name, *arguments = shlex.split(part)
        assert [python, dash_m, train] == ["python", "-m", "train"]
        found.append(tyro.cli(kinds[name], args=arguments))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_rows_command_trains_its_run(swept: SweepConfig, name: str) -> None:
    row = next(row for row in rows(swept) if row["variant"] == name)
    configs = parse(row["command"])

    assert configs[-1].run == swept.runs / name
    for config in configs:
        assert config.data == swept.data
        assert config.arguments() == json.loads((config.run / "config.json").read_text())
        assert (config.cache, config.resume) == (None, False)
    if name == "self-critical":
        first, further = configs
        assert isinstance(further, SelfCriticalConfig)
        assert further.start_from == first.run / run_folder.BEST
    else:
        [config] = configs
        assert isinstance(config, FitConfig)
        assert config.device == "cpu"


def test_every_field_of_a_configuration_survives_its_command(tmp_path: Path) -> None:
    config = FitConfig(
        tmp_path / "my data",
        tmp_path / "a run",
        encoder="resnet34",
        start_from=tmp_path / "it's.safetensors",
        attention=False,
        batch_norm=True,
        tie_embeddings=False,
        learning_rate=1.25e-5,
        seed=7,
    )
    assert parse(steps.command(config)) == [config]


def test_a_variant_that_fails_is_named_and_the_others_are_trained(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trained: Counter[str],
) -> None:
    config = bench.config("failing", "additive", "no-attention", epochs=1)
    train = fit.fit

    def fail(step: FitConfig) -> Path:
        if step.attention_score == "additive":
            raise RuntimeError("out of luck")
        return train(step)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "fit", fail)
        with pytest.raises(SweepError, match="1 of 2 variants failed: additive;"):
            sweep(config, SMALL)
    assert "additive failed" in caplog.text
    assert "out of luck" in caplog.text
    assert {row["variant"] for row in rows(config)} == {"no-attention"}
    assert "Not in this sweep: base, additive, gru" in (config.results / "sweep.html").read_text()

    sweep(config, SMALL)
    assert {row["variant"] for row in rows(config)} == {"additive", "no-attention"}
    assert trained == {"additive": 1, "no-attention": 1}


def test_a_page_that_cannot_be_drawn_does_not_stop_the_sweep(
    swept: SweepConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn: list[Path] = []

    def fail_once(path: Path, rows: Any) -> None:
        drawn.append(path)
        if len(drawn) == 1:
            raise OSError("no space left")

    monkeypatch.setattr("train.sweep.command.write_page", fail_once)
    with pytest.raises(SweepError, match="1 of 2 variants failed: base;"):
        sweep(dataclasses.replace(swept, only=("base", "gru")), SMALL)
    assert len(drawn) == 2
    assert "no space left" in caplog.text


def test_a_run_that_moved_names_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FitConfig(tmp_path, tmp_path / "run")
    monkeypatch.setattr(steps, "fit", lambda step: step.run)
    assert steps.machines(config.run) == "not recorded"
    for name in ("a laptop", "a laptop", "a GPU"):
        monkeypatch.setattr(steps, "machine", lambda *_, name=name: name)
        steps.finish(config)
    assert steps.machines(config.run) == "a laptop; then a GPU"


def test_rows_are_scored_again_only_if_the_checkpoint_changed(copied: SweepConfig) -> None:
    before = rows(copied)
    weights = copied.runs / "gru" / "best.safetensors"
    shutil.copy(copied.runs / "resnet18" / "best.safetensors", weights)
    sweep(copied, SMALL)

    after = rows(copied)
    assert len(after) == len(before)
    changed = {
        new["variant"]
        for old, new in zip(before, after, strict=True)
        if old["checkpoint"] != new["checkpoint"]
    }
    assert changed == {"gru"}
    assert [row for row in before if row["variant"] != "gru"] == [
        row for row in after if row["variant"] != "gru"
    ]


def test_a_sweep_with_other_arguments_does_not_pass_for_this_one(
    copied: SweepConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SweepError, match="1 of 1 variants failed: fine-tuned"):
        sweep(dataclasses.replace(copied, fine_tune=2, only=("fine-tuned",)), SMALL)
    assert (
        "was started with another value of --fine-tune; sweep with the same arguments"
        in caplog.text
    )
    assert not [record for record in caplog.records if record.exc_info]


def test_variants_without_weights_or_epochs_are_left_out_and_named(
    bench: Bench, trained: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = bench.config("less", fine_tune=0, self_critical=0, epochs=1)
    small = {**SMALL, "encoder": "resnet50"}
    sweep(config, small)

    said = capsys.readouterr().out
    assert "left out: base (no weights for resnet50)" in said
    assert "left out: resnet152 (no weights for resnet152)" in said
    assert "left out: fine-tuned (no weights for resnet50)" in said
    assert list(trained) == ["resnet18"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "transformer"], "--only is transformer; it must be among base, additive"),
        (
            ["--only", "resnet34"],
            "a variant that can be trained (no weights for resnet34)",
        ),
        (["--only", "fine-tuned", "--fine-tune", "0"], "(no weights for resnet50)"),
        (["--encoder-weights", "vgg=vgg.safetensors"], "neither a folder nor NAME=FILE"),
        (["--encoder-weights", "resnet50=none.safetensors"], "none.safetensors: there is no such"),
    ],
)
def test_what_cannot_be_swept_is_refused_at_once(
    bench: Bench,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = [str(bench.data), str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    weights = ["--encoder-weights", f"resnet18={bench.weights}"]
    assert main(["sweep", *where, *weights, *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_exit_code_is_1_if_a_variant_failed(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(step: FitConfig) -> Path:
        raise RunError(step.run, "no luck")

    monkeypatch.setattr(steps, "fit", fail)
    where = [str(bench.data), str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    weights = ["--encoder-weights", str(bench.weights.parent)]
    assert main(["sweep", *where, *weights, "--only", "resnet18"]) == 1
    assert "error: 1 of 1 variants failed: resnet18" in capsys.readouterr().err
    run = tmp_path / "runs" / "resnet18"
    failure = ("train.sweep.command", logging.ERROR, f"resnet18 failed: {run}: no luck")
    assert failure in caplog.record_tuples


def test_a_table_of_something_else_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "sweep.csv").write_text("run,cider\nfirst,50\n")
    with pytest.raises(RunError, match="not a table of a sweep"):
        Results(tmp_path / "sweep.csv")
