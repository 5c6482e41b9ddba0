"""Clients that are generated from the OpenAPI documents of both services make one call of each operation."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from clients.environments import SCRIPTS, run

pytestmark = pytest.mark.timeout(1200)
SERVICES = {"features": "feature-service", "predictions": "prediction-service"}
PACKAGES = ["openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20.19.25"]
UNKNOWN_TO_THE_GENERATOR = 'content_type_overrides: {"text/csv": "application/octet-stream"}\n'


def save_documents(base: str, folder: Path) -> None:
    for name, service in SERVICES.items():
        (folder / f"{name}.json").write_text(httpx.get(f"{base}/{service}/openapi.json").text)


def test_a_python_client_asks_everything(open_stack: str, programs: Callable[[str], Path], tmp_path: Path) -> None:
    generator = programs("generated")
    save_documents(open_stack, tmp_path)
    (tmp_path / "config.yml").write_text(UNKNOWN_TO_THE_GENERATOR)
    for name in SERVICES:
        options = ("--meta", "none", "--config", "config.yml", "--output-path", name)
        said = run(generator / "openapi-python-client", "generate", "--path", f"{name}.json", *options, folder=tmp_path)
        assert "WARNING" not in said  # something was left out
    run(generator / "python", SCRIPTS / "generated_python_asks.py", open_stack, folder=tmp_path)


@pytest.fixture(scope="module")
def node_modules(folder: Path) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("Node is not there")
    made = folder / "typescript"
    made.mkdir(exist_ok=True)
    described = json.dumps({"type": "module", "dependencies": dict(one.rsplit("@", 1) for one in PACKAGES)})
    if not (made / "node_modules").exists() or (made / "wanted.json").read_text() != described:
        (made / "package.json").write_text(described)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=made, check=True)
        (made / "wanted.json").write_text(described)
    return made / "node_modules"


def test_a_typescript_client_asks_everything(open_stack: str, node_modules: Path, tmp_path: Path) -> None:
    save_documents(open_stack, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = Path(shutil.copy(SCRIPTS / "generated_typescript_asks.ts", tmp_path))
    programs = node_modules / ".bin"
    for name in SERVICES:
        run(
            programs / "openapi-typescript", f"{name}.json", "-o", f"{name}.ts", "--default-non-nullable=false",
            folder=tmp_path,
        )  # fmt: skip
    strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    run(programs / "tsc", *strict, script.name, folder=tmp_path)
    run(Path(shutil.which("node") or "node"), script.with_suffix(".js"), open_stack, folder=tmp_path)
