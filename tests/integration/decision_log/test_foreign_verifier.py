"""The exported log, read by Go's golang.org/x/mod/sumdb, which shares no code with this one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from decision_log.commands.export import export
from decision_log.database import connect
from decisions import Log, entry

_SOURCES = Path("/usr/share/gocode")
_needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not (_SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="Go or golang.org/x/mod is not here (Debian: golang-go, golang-golang-x-mod-dev)",
)


@_needs_go
def test_go_finds_the_checkpoints_root_and_every_entry(log: Log, tmp_path: Path) -> None:
    log.sequenced(*(entry() for _ in range(600)))
    folder = tmp_path / "export"
    with connect(log.settings) as connection:
        assert export(connection, folder) == 600
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(_SOURCES), "GOCACHE": str(tmp_path / "cache")}
    program = tmp_path / "verifier"
    source = str(Path(__file__).with_name("verifier.go"))
    subprocess.run(["go", "build", "-o", str(program), source], env=environment, check=True)

    def asked() -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(program), str(folder), str(log.vkey)], capture_output=True, text=True, check=False)

    assert asked().stdout == "600 true\n"
    tile = folder / "tile/0/001"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert asked().returncode == 1
