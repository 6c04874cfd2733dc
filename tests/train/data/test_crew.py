"""Processes that share a folder fill its files together, and each photo is read once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.train import processes
from train.data import array_files
from train.data.array_files import ArrayFile
from train.data.crew import Crew, meet
from train.processes import ALONE, Peers, join

ROWS = 37
CHUNK = 5


def fill_as_rank(environment: dict[str, str], folder: Path, log: Path, stop_at: int) -> None:
    """Fill an array with the numbers of its rows; `log` gets those that this process computes."""
    processes.enter(environment)
    array_files.CHUNK = CHUNK
    _, peers = join(cpu=True, precision=None)
    computed: list[int] = []
    bad: set[int] = set()

    def rows(wanted: range) -> Iterator[array_files.Array]:
        for chunk in array_files.chunks(wanted):
            if stop_at in chunk:
                os._exit(3)
            computed.extend(chunk)
            bad.update(row for row in chunk if row % 10 == 4)
            log.write_text(json.dumps(computed))
            yield np.array(chunk)

    file = ArrayFile(folder / "rows.npy", "key", (ROWS,), "int64")
    found = array_files.fill(file, rows, bad, meet(folder, peers))
    assert found.tolist() == [*range(ROWS)]
    assert bad == {4, 14, 24, 34}


def run(folders: list[Path], logs: Path, stop_at: int = -1) -> list[list[int]]:
    """Fill the folders' arrays, a process for each; return which rows each computed."""
    logs.mkdir()
    files = [logs / str(number) for number in range(len(folders))]
    ranks = [
        processes.fork(fill_as_rank, environment, folder, log, stop_at)
        for environment, folder, log in zip(
            processes.rank_environments(len(folders)), folders, files, strict=True
        )
    ]
    ended = processes.ended(ranks)
    assert ended == {0} or 3 in ended
    return [json.loads(file.read_text()) if file.exists() else [] for file in files]


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_processes_with_one_folder_compute_each_row_once(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    parts = run([folder] * 3, tmp_path / "logs")

    assert sorted(row for part in parts for row in part) == [*range(ROWS)]
    assert all(len(part) > ROWS / 3 - CHUNK for part in parts)
    assert kept(folder) == {"rows.npy", "rows.json"}
    assert run([folder] * 2, tmp_path / "again") == [[], []]


def test_processes_without_a_common_folder_compute_their_own(tmp_path: Path) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"
    first, second, third = run([shared, other, shared], tmp_path / "logs")

    assert second == sorted(first + third) == [*range(ROWS)]
    assert kept(shared) == kept(other) == {"rows.npy", "rows.json"}
    assert run([shared, tmp_path / "new", other], tmp_path / "again") == [[], [*range(ROWS)], []]


def test_what_interrupted_processes_computed_is_not_computed_again(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    before = run([folder] * 2, tmp_path / "logs", stop_at=30)
    assert before[1] == [*range(20, 30)]
    after = run([folder] * 2, tmp_path / "again")

    assert after[1] == [*range(30, ROWS)]
    assert kept(folder) == {"rows.npy", "rows.json"}


def test_one_process_goes_on_where_two_were_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    run([folder] * 2, tmp_path / "logs", stop_at=30)
    assert len(kept(folder)) > 2
    run([folder], tmp_path / "again")

    assert kept(folder) == {"rows.npy", "rows.json"}


@given(
    first=st.integers(0, 50),
    count=st.integers(1, 300),
    size=st.integers(1, 64),
    members=st.integers(1, 20),
)
def test_shares_are_whole_chunks_that_cover_every_row_once(
    first: int, count: int, size: int, members: int
) -> None:
    first *= size
    crew = Crew(Peers(0, members), tuple(range(members)))
    shares = crew.share(first, first + count, size)

    assert [row for share in shares for row in share] == [*range(first, first + count)]
    assert all(share.start % size == 0 for share in shares if share)
    chunks = [-(-len(share) // size) for share in shares]
    assert max(chunks) - min(chunks) <= 1


def test_who_is_alone_leads(tmp_path: Path) -> None:
    crew = meet(tmp_path / "new", ALONE)
    assert crew.leads
    assert crew.from_leader(lambda: 5) == 5
    assert kept(tmp_path / "new") == set()
