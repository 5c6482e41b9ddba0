"""The documentation page in a real browser: what its Content-Security-Policy forbids would leave it empty."""

import re
import subprocess
from pathlib import Path

import pytest

from console_pages import CHROMIUM
from running import service

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom",
)  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(
    ("package", "operations"),
    [
        (
            "feature_service",
            {"/online_feature_store/client_id={client_id}", "/online_feature_store/batch", "/feature_definitions"},
        ),
        ("prediction_service", {"/credit_risk/client_id={client_id}", "/credit_risk/batch", "/credit_risk", "/models"}),
    ],
)
def test_the_documentation_shows_every_operation_and_is_refused_nothing(
    package: str, operations: set[str], tmp_path: Path
) -> None:
    with service(package) as running:
        seen = subprocess.run(
            [str(CHROMIUM), *OPTIONS, f"--user-data-dir={tmp_path}", f"{running.base}/docs"],
            capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
    shown = {path.replace("\u200b", "") for path in re.findall(r'data-path="([^"]+)"', seen.stdout)}
    assert operations <= shown, shown
    console = [line for line in seen.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
