"""One bot at a time uses a folder; the others say who does."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.store.errors import DatabaseError
from bot.store.sqlite import folder
from bot.store.sqlite.folder import InUse, held, holder

HOLD = """
import sys, time
from pathlib import Path
from bot.store.sqlite.folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PATIENCE", 0.0)


def test_the_second_is_told_who_uses_the_folder_and_since_when(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(InUse) as error, held(tmp_path):
        pass

    start = f"DATA_DIR: {tmp_path}: another bot uses this folder (process {os.getpid()} on "
    assert str(error.value).startswith(start)
    assert ", since 20" in str(error.value)


def test_who_uses_a_folder_can_be_asked_without_using_it(tmp_path: Path) -> None:
    assert holder(tmp_path / "missing") is None
    with held(tmp_path):
        user = holder(tmp_path)
        assert user is not None
        assert user.process == str(os.getpid())
    assert holder(tmp_path) is None
    with held(tmp_path):
        pass
    assert not (tmp_path / "missing").exists()


def test_the_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InUse, match=f"process {process.pid} on "), held(tmp_path):
            pass
        process.kill()
        process.wait()

    with held(tmp_path):
        pass


def test_who_asks_who_uses_a_folder_does_not_keep_a_bot_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PATIENCE", 5.0)
    with held(tmp_path):
        pass
    asking = (tmp_path / folder.NAME).open()
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: asking.close())

    with held(tmp_path):
        assert asking.closed


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)

    match = "its file system has no locks; set DATA_DIR to a folder on a local disk"
    with pytest.raises(DatabaseError, match=match), held(tmp_path):
        pass


def test_where_there_are_no_such_locks_the_bot_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "fcntl", None)

    with held(tmp_path), held(tmp_path):
        assert holder(tmp_path) is None


def test_a_folder_is_checked_without_being_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.check(tmp_path / "new" / "folder")
    (tmp_path / "file").touch()

    with pytest.raises(DatabaseError, match="a part of its path is a file"):
        folder.check(tmp_path / "file" / "data")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # nothing is denied to root
    with pytest.raises(DatabaseError, match="cannot be written"):
        folder.check(tmp_path / "new" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
