"""The passwords that Compose makes: each once, the same where two must know it, and none is replaced."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

COMPOSE = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
FILES = {
    "owner/db_init_database_password", "owner/db_init_reader_password", "owner/db_init_writer_password",
    "reader/feature_service_database_password", "reader/feature_service_writer_database_password",
}  # fmt: skip


def make_passwords(folder: Path) -> dict[str, str]:
    found = re.search(r"\n( +)import secrets, pathlib\n(?:\1.*\n)+", COMPOSE)
    assert found
    script = textwrap.dedent(found[0]).replace("/run/", f"{folder}/")
    for name in ("owner", "reader"):
        (folder / name).mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", script], check=True)
    return {str(file.relative_to(folder)): file.read_text() for file in folder.glob("*/*")}


def test_every_password_is_made_once(tmp_path: Path) -> None:
    made = make_passwords(tmp_path)
    assert made.keys() == FILES
    assert made["owner/db_init_reader_password"] == made["reader/feature_service_database_password"]
    assert made["owner/db_init_writer_password"] == made["reader/feature_service_writer_database_password"]
    assert len(set(made.values())) == 3
    assert min(map(len, made.values())) >= 32
    assert make_passwords(tmp_path) == made


def test_an_installation_from_before_there_was_a_writer_gets_its_password_and_keeps_the_others(tmp_path: Path) -> None:
    before = make_passwords(tmp_path)
    for file in tmp_path.glob("*/*writer*"):
        file.unlink()
    after = make_passwords(tmp_path)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} == {name for name in FILES if "writer" in name}
