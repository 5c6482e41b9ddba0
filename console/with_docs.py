"""The build backend of the console: flit's, with the project's documentation copied into the package."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flit_core import buildapi
from flit_core.buildapi import *  # noqa: F403 -- the hooks that are not named below

_HERE = Path(__file__).parent
_DOCS = _HERE.parent / "docs"
_IN_THE_PACKAGE = _HERE / "src" / "console" / "docs"


def build_wheel(*arguments: Any, **options: Any) -> str:
    with _documentation():
        return str(buildapi.build_wheel(*arguments, **options))


def build_sdist(*arguments: Any, **options: Any) -> str:
    with _documentation():
        return str(buildapi.build_sdist(*arguments, **options))


@contextmanager
def _documentation() -> Iterator[None]:
    """Copy the documentation into the package during the build. A source distribution has it there already."""
    if not _DOCS.is_dir():
        if not _IN_THE_PACKAGE.is_dir():
            raise FileNotFoundError(f"the documentation is in neither {_DOCS} nor {_IN_THE_PACKAGE}")
        yield
        return
    shutil.copytree(_DOCS, _IN_THE_PACKAGE, ignore=lambda _, names: [name for name in names if name.endswith(".png")])
    try:
        yield
    finally:
        shutil.rmtree(_IN_THE_PACKAGE)
