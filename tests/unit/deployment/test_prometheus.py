"""What Prometheus itself says of the configuration and the rules, where its promtool is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from unit.deployment.rendered import ROOT

FOLDER = ROOT / "deploy/prometheus"
RULES_OF_COMPOSE = "/etc/prometheus/rules.yml"
PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian: prometheus)")


def promtool(*arguments: str) -> str:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_one_and_finds_its_rules(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yml").read_text()
    assert RULES_OF_COMPOSE in text
    here = tmp_path / "prometheus.yml"
    here.write_text(text.replace(RULES_OF_COMPOSE, str(FOLDER / "rules.yml")))
    assert "3 rules found" in promtool("check", "config", str(here))


def test_each_rule_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    cases = tmp_path / "rules_test.yml"
    text = Path(__file__).with_name("prometheus_rules.yml").read_text()
    cases.write_text(text.replace("[RULES]", f"[{FOLDER / 'rules.yml'}]"))
    promtool("test", "rules", str(cases))
