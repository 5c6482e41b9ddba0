"""Whether the served feature set fits the model: decided by name, version and type of the model's inputs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from prediction_service.errors import FeatureServiceUnavailable, FeatureSetMismatch
from prediction_service.features.answers import Found, SelectionRefused
from prediction_service.features.fitting import FittedFeatures
from service_kit.request.ask import Ask
from shared_schemas import Feature, FeatureDefinitions

ASK: Ask[object] = Ask("id", 1e12, None)


def feature(name: str, version: int = 1, **said: Any) -> Feature:
    return Feature.model_validate(
        {"name": name, "version": version, "type": "number", "description": "A number."} | said
    )


class Served:
    """A feature service: answers vectors under the digest of its set, in the versions that are asked for."""

    def __init__(self, digest: str, *features: Feature, retained: Sequence[Feature] = ()) -> None:
        self.selection: tuple[str, ...] | None = None
        self.reads = 0
        self.serve(digest, *features, retained=retained)

    def serve(self, digest: str, *features: Feature, retained: Sequence[Feature] = ()) -> None:
        self.set = FeatureDefinitions(version="1", name="s", digest=digest, features=features, retained=tuple(retained))

    async def vector(self, client_id: int, ask: Ask[object]) -> Found | None:
        return (await self.vectors([client_id], ask)).get(client_id)

    async def vectors(self, client_ids: Sequence[int], _: Ask[object]) -> dict[int, Found]:
        selection = self.selection or tuple(feature.name for feature in self.set.features)
        known = [feature.name for feature in self.set.features]
        known += [f"{feature.name}@{feature.version}" for feature in (*self.set.features, *self.set.retained)]
        if refused := [name for name in selection if name not in known]:
            raise SelectionRefused(selection, refused)
        values: Any = {name.partition("@")[0]: name for name in selection}
        return {
            client_id: Found(
                values | {"client_id": client_id, "event_timestamp": datetime.now(UTC)}, "id", self.set.digest
            )
            for client_id in client_ids
        }

    async def definitions(self, _: Ask[object]) -> FeatureDefinitions:
        self.reads += 1
        return self.set


def fitted(served: Served, *inputs: Feature, version: str = "m") -> FittedFeatures:
    return FittedFeatures(served, lambda: SimpleNamespace(version=version, inputs=inputs))  # type: ignore[arg-type]


def test_a_set_with_further_features_fits_and_is_read_once() -> None:
    served = Served("d", feature("a"), feature("b"))
    features = fitted(served, feature("a", minimum=3, description="Other words."))

    async def scenario() -> None:
        for _ in range(3):
            found = await features.vector(7, ASK)
            assert found is not None
            assert found.vector["client_id"] == 7

    asyncio.run(scenario())
    assert served.reads == 1


@pytest.mark.parametrize(
    "served",
    [[feature("b")], [feature("a", version=2)], [feature("a", type="integer")]],
    ids=["absent", "version", "type"],
)
def test_a_set_that_does_not_fit_scores_nothing_and_the_feature_is_named(served: list[Feature]) -> None:
    features = fitted(Served("d", *served), feature("a"))
    for asking in (features.vector(7, ASK), features.vectors([7], ASK), features.check(ASK)):
        with pytest.raises(FeatureSetMismatch, match=r"\ba\b"):
            asyncio.run(asking)


def test_an_older_version_that_is_retained_is_asked_for() -> None:
    served = Served("d", feature("a", version=2), feature("b"), retained=[feature("a")])
    features = fitted(served, feature("a"))
    found = asyncio.run(features.vector(7, ASK))
    assert found is not None
    assert (found.vector["a"], found.vector["b"]) == ("a@1", "b")  # type: ignore[typeddict-item]
    assert (served.reads, served.selection) == (1, ("a@1", "b"))


def test_a_change_of_the_set_is_noticed_with_the_next_answer() -> None:
    served = Served("d", feature("a"))
    features = fitted(served, feature("a"))

    async def scenario() -> None:
        await features.vector(7, ASK)
        served.serve("e", feature("b"))
        with pytest.raises(FeatureSetMismatch):
            await features.vector(7, ASK)
        served.serve("f", feature("a"), feature("b"))
        await features.vector(7, ASK)
        await features.check(ASK)

    asyncio.run(scenario())


def test_a_feature_that_is_gone_is_asked_for_no_more() -> None:
    served = Served("d", feature("a", version=2), feature("b"), feature("c"), retained=[feature("a")])
    features = fitted(served, feature("a"))

    async def scenario() -> None:
        await features.vector(7, ASK)
        served.serve("e", feature("a", version=2), feature("b"), retained=[feature("a")])
        both = await asyncio.gather(features.vector(7, ASK), features.vectors([7], ASK))
        assert [one and one.vector["a"] for one in (both[0], both[1][7])] == ["a@1", "a@1"]
        assert served.selection == ("a@1", "b")
        await features.check(ASK)

    asyncio.run(scenario())


@pytest.mark.parametrize("digest", ["d", "e"])  # that of the set stays when a version is dropped
def test_a_version_that_is_dropped_is_a_mismatch_until_it_is_back(digest: str) -> None:
    served = Served("d", feature("a", version=2), retained=[feature("a")])
    features = fitted(served, feature("a"))

    async def scenario() -> None:
        await features.vector(7, ASK)
        served.serve(digest, feature("a", version=2))
        with pytest.raises(FeatureSetMismatch, match=r": a\."):
            await features.vector(7, ASK)
        with pytest.raises(FeatureSetMismatch, match=r": a\."):
            await features.check(ASK)
        served.serve("f", feature("a"))
        found = await features.vector(7, ASK)
        assert found is not None
        assert found.vector["a"] == "a"  # type: ignore[typeddict-item]
        await features.check(ASK)

    asyncio.run(scenario())


def test_readiness_does_not_depend_on_the_feature_service() -> None:
    class Away(Served):
        async def definitions(self, _: Ask[object]) -> FeatureDefinitions:
            raise FeatureServiceUnavailable

    asyncio.run(fitted(Away("d"), feature("a")).check(ASK))


def test_a_challenger_is_judged_by_the_set_that_was_served_last() -> None:
    served = Served("d", feature("a"))
    features = fitted(served, feature("a"))
    other: Any = SimpleNamespace(version="c", inputs=[feature("b")])
    assert features.fits(other)  # not known yet
    asyncio.run(features.vector(7, ASK))
    assert not features.fits(other)
    same: Any = SimpleNamespace(version="n", inputs=[feature("a")])
    assert features.fits(same)
