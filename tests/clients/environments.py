"""Environments of the foreign clients, each with its own Python packages: they would not fit beside ours, nor each other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = {
    "feast": ["feast==0.67.0"],
    "triton": ["tritonclient[http]==2.73.0"],
    "kserve": ["kserve==0.21.0"],
    "generated": ["openapi-python-client==0.29.1"],
    "mlflow": ["mlflow-skinny==3.17.2", "fastapi", "pandas", "requests", "scipy"],
}
SCRIPTS = Path(__file__).parent / "scripts"
_STAMP = "packages.txt"


def environment(name: str, folder: Path) -> Path:
    """The folder of the programs of an environment; made when its packages are not those that are wanted."""
    made, wanted = folder / name, "\n".join(ENVIRONMENTS[name])
    stamp = made / _STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(made, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(made)], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", str(made / "bin" / "python"), *ENVIRONMENTS[name]]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return made / "bin"


def run(program: Path, *arguments: object, folder: Path | None = None, **variables: str) -> str:
    """What a program of an environment printed; it must end well. It sees nothing of ours."""
    environment = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ} | variables
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    print(f"\n$ {program.name} {' '.join(map(str, arguments))}\n{done.stdout}")
    assert done.returncode == 0, done.stderr
    return done.stdout
