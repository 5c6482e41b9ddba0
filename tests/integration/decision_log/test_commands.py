"""The commands as a person runs them: what they print, and where they find the stack."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from decision_log import Erased, uuid7
from decision_log.__main__ import main
from decision_log.tree.checkpoints import Checkpoint
from decision_log.tree.hashes import leaf_hash
from decisions import ORIGIN, Log, entry, old


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DIR", "ORIGIN"):
        monkeypatch.delenv(f"DECISION_LOG_{name}", raising=False)


@pytest.fixture
def stack(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """The log as the running stack of DATA_DIR."""
    told = {"database_url": log.url(), "dir": str(log.folder.path), "origin": ORIGIN}
    (tmp_path / "decision_log.json").write_bytes(orjson.dumps(told))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return log


def test_without_settings_the_commands_use_the_stack_that_runs(stack: Log, capsys: pytest.CaptureFixture[str]) -> None:
    stack.sequenced(entry(), entry())
    assert main(["key"]) == 0
    assert capsys.readouterr().out == f"{stack.vkey}\n"
    assert main(["checkpoint"]) == 0
    assert capsys.readouterr().out == stack.folder.last()
    assert main(["audit"]) == 0
    assert capsys.readouterr().out.startswith(
        "The log is whole: 2 entries, 2 of them in the last checkpoint; 2 records"
    )


def test_an_audit_with_the_folder_of_the_key_looks_at_what_was_signed_last(
    stack: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.sequenced(entry())
    stack.folder.keep(Checkpoint(ORIGIN, 2, leaf_hash(b"")).signed(stack.folder.signer(ORIGIN)))
    assert main(["audit"]) == 1
    assert capsys.readouterr().out.startswith("A checkpoint covers 2 entries, and the log has 1.\n")
    assert main(["audit", "--key", str(stack.vkey)]) == 0


def test_a_file_that_is_no_checkpoint_is_named(stack: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept"
    file.write_bytes(b"\xff\xfe")
    assert main(["audit", "--checkpoint", str(file)]) == 1
    assert capsys.readouterr().err == f"{file} is not text: it is no checkpoint.\n"


def test_without_settings_and_stack_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "none"))
    assert main(["checkpoint"]) == 1
    assert "or DATA_DIR to the data folder of a running stack" in capsys.readouterr().err


def test_outcomes_are_imported_and_bad_lines_are_named_by_their_number(
    stack: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = entry(decided_at=datetime.now(UTC) - timedelta(days=9))
    stack.record(made)
    known, now = made.listed.decision_id, datetime.now(UTC)
    lines = [
        "decision_id,observed_at,defaulted",
        f"{known},{(now - timedelta(days=1)).isoformat()},1",
        f"none,{now.isoformat()},1",
        f"{uuid7()},{now.isoformat()},0",
        f"{known},{(now - timedelta(days=20)).isoformat()},0",
        f"{known},{(now + timedelta(days=20)).isoformat()},0",
        f"{known},yesterday,0",
        f"{known},{now.isoformat()},perhaps",
        f"{known}",
    ]
    file = tmp_path / "outcomes.csv"
    file.write_text("\n".join(lines) + "\n")
    assert main(["import-outcomes", str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "8 lines: 1 accepted, 0 unchanged, 7 refused",
        "line 3: malformed",
        "line 4: unknown",
        "line 5: before_decision",
        "line 6: in_future",
        "line 7: malformed",
        "line 8: malformed",
        "line 9: malformed",
    ]
    file.write_text("\n".join(lines[:2]) + "\n")
    assert main(["import-outcomes", str(file)]) == 0
    assert capsys.readouterr().out == "1 lines: 0 accepted, 1 unchanged, 0 refused\n"


def test_expire_erases_what_is_older_than_the_retention(stack: Log, capsys: pytest.CaptureFixture[str]) -> None:
    aged, young = [old(client_id=n) for n in range(3)], entry()
    stack.sequenced(*aged, young)
    assert main(["expire"]) == 0
    assert capsys.readouterr().out.startswith("3 records from before ")
    assert isinstance(stack.asked(lambda opened: opened.records.get(aged[0].listed.decision_id)), Erased)
    assert stack.asked(lambda opened: opened.records.get(young.listed.decision_id)) == young.record
    stack.sequenced()
    report = stack.audit()
    assert (report.wrong, report.erased) == ([], 3)
    assert main(["expire"]) == 0
    assert capsys.readouterr().out.startswith("0 records from before ")
