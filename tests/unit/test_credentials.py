"""The passwords that Compose makes: each once, the same where two must know it, and none is replaced."""

import subprocess
import sys
from pathlib import Path

SCRIPT = (Path(__file__).parents[2] / "deploy/compose/make_passwords.py").read_text()
FILES = {
    "owner/db_init_database_password", "owner/db_init_reader_password", "owner/db_init_writer_password",
    "reader/feature_service_database_password", "reader/feature_service_writer_database_password",
    "decision_owner/decision_log_database_password", "decision_owner/decision_log_writer_password",
    "decision_owner/decision_log_eraser_password", "decision_owner/decision_log_sequencer_password",
    "decision_writer/prediction_service_decision_log_database_password",
    "decision_writer/prediction_service_decision_log_eraser_database_password",
    "decision_sequencer/decision_log_database_password", "decision_owner/decision_log_monitor_password",
    "decision_monitor/prediction_service_monitor_database_password",
}  # fmt: skip


def make_passwords(folder: Path) -> dict[str, str]:
    script = SCRIPT.replace("/run", str(folder))
    for name in ("owner", "reader", "decision_owner", "decision_writer", "decision_sequencer", "decision_monitor"):
        (folder / name).mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", script], check=True)
    return {str(file.relative_to(folder)): file.read_text() for file in folder.glob("*/*")}


def test_every_password_is_made_once(tmp_path: Path) -> None:
    made = make_passwords(tmp_path)
    assert made.keys() == FILES
    assert made["owner/db_init_reader_password"] == made["reader/feature_service_database_password"]
    assert made["owner/db_init_writer_password"] == made["reader/feature_service_writer_database_password"]
    assert len(set(made.values())) == 8
    assert min(map(len, made.values())) >= 32
    assert make_passwords(tmp_path) == made


def test_an_installation_from_before_there_was_a_writer_gets_its_password_and_keeps_the_others(tmp_path: Path) -> None:
    before = make_passwords(tmp_path)
    for file in [*tmp_path.glob("owner/*writer*"), *tmp_path.glob("reader/*writer*")]:
        file.unlink()
    after = make_passwords(tmp_path)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} == {
        name for name in FILES if "writer" in name and not name.startswith("decision")
    }
