"""Files that db_init writes: whole or not at all, and a path that cannot be written is explained."""

from pathlib import Path

import pytest

from db_init.__main__ import main
from db_init.errors import LoadError
from db_init.output import written_whole


def test_the_file_is_there_at_the_end_and_not_before(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "out.csv"
    with written_whole(out) as fresh:
        fresh.write_text("whole")
        assert not out.exists()
    assert out.read_text() == "whole"
    assert list(out.parent.iterdir()) == [out]


def test_a_failure_leaves_the_file_that_was_there_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")
    with pytest.raises(ZeroDivisionError), written_whole(out) as fresh:
        fresh.write_text(str(1 / 0))
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


PATHS = {
    "under a file": ("file/out.csv", "is a file, not a folder"),
    "deep under a file": ("file/folder/out.csv", "is a file, not a folder"),
    "a folder": ("folder", "is a folder"),
    "a name too long": ("x" * 300, "name too long"),
    "no room for a folder": ("y" * 300 + "/out.csv", "name too long"),
    "not a folder of files": ("/proc/out.csv", "No such file"),
}


@pytest.mark.parametrize("kind", PATHS)
def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    path, reason = PATHS[kind]
    with pytest.raises(LoadError, match=reason), written_whole(tmp_path / path):
        pytest.fail("the work began")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("out", [".", "/", "file/out.parquet", "file/folder/out.csv"])
def test_a_sample_that_cannot_be_written_is_one_line_and_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert main(["sample", "--clients", "3", "--seed", "1", "--out", out]) == 1
    error = capsys.readouterr().err
    assert error.startswith(out)
    assert error.count("\n") == 1
