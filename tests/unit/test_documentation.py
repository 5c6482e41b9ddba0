"""What the documentation says of settings and problems is so, and its links lead somewhere."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from db_init.settings import Settings as DbInitSettings
from feature_service import errors as feature_errors
from feature_service.settings import Settings as FeatureSettings
from local_stack.settings import Settings as LocalSettings
from prediction_service import errors as prediction_errors
from prediction_service.settings import Settings as PredictionSettings
from service_kit import problems
from service_kit.telemetry.tracing import TracingSettings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
CONFIGURATION = (ROOT / "docs/reference/configuration.md").read_text()
PROBLEMS = (ROOT / "docs/reference/problems.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in CONFIGURATION.splitlines()
    if line.startswith("| `")
]


@pytest.mark.parametrize(
    "settings",
    [FeatureSettings, PredictionSettings, DbInitSettings, LocalSettings, TracingSettings],
    ids=lambda settings: settings.__module__,
)
def test_every_setting_is_documented_with_its_default(settings: type[BaseSettings]) -> None:
    prefix = settings.model_config.get("env_prefix") or ""
    for name, field in settings.model_fields.items():
        variable = f"`{prefix}{name.upper()}`"
        [row] = [row for row in ROWS if variable in row[0].split(", ")]
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        position = row[0].split(", ").index(variable)
        documented = row[1].split(", ")[min(position, row[1].count(", "))]
        if field.is_required():
            assert documented == "(needed)"
        elif documented != "likewise":
            assert documented == ("" if default is None else str(default))


def test_every_documented_variable_is_a_setting() -> None:
    known = {
        f"`{settings.model_config.get('env_prefix') or ''}{name.upper()}`"
        for settings in (FeatureSettings, PredictionSettings, DbInitSettings, LocalSettings, TracingSettings)
        for name in settings.model_fields
    }
    documented = {cell for row in ROWS for cell in row[0].split(", ") if cell.strip("`").replace("_", "").isupper()}
    assert documented <= known | {"`MODEL_DIR`"}  # another name of db_init's


def test_every_problem_is_documented_with_its_status() -> None:
    for module in (problems, feature_errors, prediction_errors):
        for problem in vars(module).values():
            if (
                isinstance(problem, type)
                and issubclass(problem, problems.ProblemError)
                and problem is not problems.ProblemError
            ):
                assert any(
                    f"`{problem.type}`" in line and str(problem.status) in line for line in PROBLEMS.splitlines()
                ), problem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_leads_to_every_page_and_stays_short() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page for page in PAGES[1:] if page.parent.parent.name == "docs" and page.name not in readme] == []
    assert len(readme.splitlines()) <= 125
