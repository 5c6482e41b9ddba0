import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from prediction_service.commands import main
from prediction_service.versions.folder import activate, champion_version, new_version, version_in_role, versions
from prediction_service.versions.serving import Followed, Models
from prediction_service.versions.shadow import ShadowMetrics
from registries import copy_version


@pytest.fixture
def registry(model_dir: Path, tmp_path: Path) -> Path:
    """Versions "first", which is the champion, "second", and "broken"."""
    folder = Path(shutil.copytree(model_dir, tmp_path / "models"))
    copy_version(folder, "second")
    (copy_version(folder, "broken") / "tables.json").write_text("{}")
    return folder


def test_a_promoted_version_is_the_champion_and_the_way_back_is_told(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", "second", "--model-dir", str(registry)]) == 0
    assert champion_version(registry) == "second"
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["champion  second", "before    first"]
    back = out[2].removeprefix("go back   python -m prediction_service ").split()
    assert main(back) == 0
    assert champion_version(registry) == "first"


def test_the_registry_is_that_of_the_settings_unless_told(
    registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTION_SERVICE_MODEL_DIR", str(registry))
    assert main(["promote", "second"]) == 0
    assert champion_version(registry) == "second"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["promote", "broken"], 1, "Version broken is refused: its file tables.json is not the one"),
        (["promote", "third"], 1, "There is no version third in .*; there are broken, first, second."),
        (["promote", "../first"], 2, "a version name has"),
        (["promote", "champion"], 2, "a version name has"),
        (["promote", "challenger"], 2, "a version name has"),
        (["challenge", "broken"], 1, "Version broken is refused"),
        (["challenge", "first"], 1, "cannot be its own challenger"),
        (["challenge"], 2, "required"),
        (["challenge", "second", "--none"], 2, "not allowed with"),
        (["promote"], 2, "required: version"),
        (["demote"], 2, "invalid choice"),
    ],
)
def test_what_cannot_be_promoted_changes_nothing_and_is_one_clear_line(
    registry: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    try:
        assert main([*arguments, "--model-dir", str(registry)]) == code
    except SystemExit as end:
        assert end.code == code  # noqa: PT017 -- argparse ends the process for a usage error
    error = capsys.readouterr().err
    assert re.search(message, error.splitlines()[-1])
    assert "Traceback" not in error
    assert champion_version(registry) == "first"
    assert version_in_role(registry, "challenger") is None


def test_a_challenger_is_set_marked_and_taken_back(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--model-dir", str(registry)]
    assert main(["challenge", "second", *there]) == 0
    assert capsys.readouterr().out.splitlines() == ["challenger  second", "before      none"]
    assert main(["models", *there]) == 0
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == [" ", "*", "~"]
    assert main(["challenge", "--none", *there]) == main(["challenge", "--none", *there]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["challenger  none", "before      second"]
    assert version_in_role(registry, "challenger") is None


def test_versions_are_listed_with_the_champion_marked(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (registry / "empty").mkdir()
    (registry / ".new-x").mkdir()
    assert main(["models", "--model-dir", str(registry)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("*")] == [["*", "first"]]
    assert [line[2:].split()[0] for line in lines] == ["broken", "empty", "first", "second"]
    assert "cannot be used: its manifest cannot be read" in lines[1]


def test_a_registry_without_versions_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--model-dir", str(tmp_path / "none")]) == 1
    assert "There is no version" in capsys.readouterr().err


def test_a_registry_that_cannot_be_written_is_one_clear_line(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (registry / "champion").unlink()
    (registry / "champion").mkdir()
    assert main(["promote", "second", "--model-dir", str(registry)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_setting_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTION_SERVICE_PORT", "many")
    assert main(["models"]) == 2
    error = capsys.readouterr().err
    assert "PREDICTION_SERVICE_PORT: " in error
    assert "many" not in error


def test_the_command_helps() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prediction_service", "--help"], capture_output=True, text=True, check=True
    )
    assert "promote" in done.stdout


# Following


class Reads:
    """Counts how often files of a version are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        read = Path.read_bytes

        def counted(path: Path) -> bytes:
            self.count += 1
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", counted)


def test_a_refused_version_is_not_read_again_until_its_files_change(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Followed(registry, "champion")
    champion.look()
    activate(registry, "broken")
    reads = Reads(monkeypatch)
    champion.look()
    once = reads.count
    assert once
    for _ in range(5):
        champion.look()
    assert reads.count == once
    shutil.copy(registry / "first" / "tables.json", registry / "broken" / "tables.json")
    champion.look()
    assert champion.served is not None
    assert champion.served.version == "broken"


def test_what_a_look_raises_ends_no_following(registry: Path) -> None:
    class Failing(Models):
        look_seconds = 0.01

        def __init__(self) -> None:
            super().__init__(registry, ShadowMetrics(CollectorRegistry()))
            self.looks = 0
            self.looked = asyncio.Event()

        async def look(self) -> None:
            self.looks += 1
            if self.looks < 3:
                raise ZeroDivisionError
            await super().look()
            self.looked.set()

    async def scenario() -> None:
        models = Failing()
        following = asyncio.create_task(models.follow())
        await asyncio.wait_for(models.looked.wait(), 10)
        following.cancel()
        assert models.champion.version == "first"

    asyncio.run(scenario())


# What a killed training leaves behind


def aged(folder: Path, seconds: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "v").mkdir()
    moment = folder.stat().st_mtime - seconds
    os.utime(folder, (moment, moment))
    return folder


def test_the_next_training_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    stale, fresh = aged(tmp_path / ".new-stale", 3600), aged(tmp_path / ".new-fresh", 0)
    with new_version(tmp_path, "v"):
        assert not stale.exists()
        assert fresh.exists()
    assert versions(tmp_path) == ["v"]


def test_a_training_that_goes_on_is_not_swept(tmp_path: Path) -> None:
    with new_version(tmp_path, "one") as running:
        (running / "tables.json").write_text("{}")
        os.utime(running.parent, (0, 0))
        with new_version(tmp_path, "two"):
            assert (running / "tables.json").exists()
    assert versions(tmp_path) == ["one", "two"]


def test_nothing_is_swept_through_a_link(tmp_path: Path) -> None:
    elsewhere = aged(tmp_path / "elsewhere", 3600)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ".new-link").symlink_to(elsewhere)
    os.utime(tmp_path / "models" / ".new-link", (0, 0), follow_symlinks=False)
    with new_version(tmp_path / "models", "v"):
        pass
    assert (elsewhere / "v").exists()
