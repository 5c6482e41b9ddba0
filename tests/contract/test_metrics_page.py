"""The page of metrics names what the code exports, no more and no less."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from asgi import transport_to
from both_services import FakeStore, feature_app, prediction_app

PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()


def test_the_page_has_every_metric_with_its_type_and_meaning(model_dir: Path) -> None:
    async def registries() -> list[CollectorRegistry]:
        features = feature_app(FakeStore())
        async with transport_to(features) as transport:
            return [app.state.metrics.registry for app in (features, prediction_app(transport, model_dir))]

    exported = {}
    for registry in asyncio.run(registries()):
        for family in registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            exported[name] = (family.type, family.documentation.rstrip("."))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
    ]
    assert {row[0].strip("`"): (row[1], row[3].rstrip(".")) for row in rows} == exported
