"""Pages of named features, and what `score-all` makes of a feature service that does not give them."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from asgi import client_of
from both_services import FakeStore, assert_problem, feature_app
from credit_default import ROW, SET
from feature_service.definitions.served import ServedSet
from prediction_service.portfolio.pages import Page, Pages, PagesFailed
from shared_schemas import FeaturePage, FeatureSet
from shared_schemas.feature_sets import MAX_FEATURES

FIRST = SET.features[0]
RAISED = FeatureSet(name=SET.name, features=(FIRST.model_copy(update={"version": 2}), *SET.features[1:]))
SERVED = ServedSet(2, "e" * 64, RAISED, [FIRST])
ROWS = [ROW | {"client_id": client_id, f"{FIRST.name}@2": 90 + client_id} for client_id in (5, 6, 7)]
OLDER = f"{FIRST.name}@1"


def page(**query: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(feature_app(FakeStore(ROWS, SERVED))) as client:
            return await client.get("/online_feature_store", params=query)

    return asyncio.run(ask())


def test_a_page_of_named_features_holds_them_alone_and_says_so() -> None:
    answer = page(features=f"age,{OLDER}", limit=2)
    assert [list(vector.items())[1:3] for vector in answer.json()["features"]] == [
        [("age", ROW["age"]), (FIRST.name, ROW[FIRST.name])]
    ] * 2
    assert all(len(vector) == 4 for vector in answer.json()["features"])
    assert FeaturePage.model_validate(answer.json()).selection == ["age", OLDER]
    assert (answer.json()["next_after"], answer.headers["feature-set"]) == (6, f"{SET.name}; digest={'e' * 64}")


def test_a_page_without_names_holds_the_set_in_its_present_versions() -> None:
    answer = page()
    assert "selection" not in answer.json()
    assert [vector[FIRST.name] for vector in answer.json()["features"]] == [95, 96, 97]
    assert list(answer.json()["features"][0]) == ["client_id", *SET.names, "event_timestamp"]


@pytest.mark.parametrize(
    ("features", "places"),
    [
        ("age,income", [2]),
        (f"{FIRST.name}@3,age,x", [1, 3]),
        (f"{FIRST.name},{OLDER}", [2]),
        ("age,age", [2]),
        ("", [1]),
        ("age,", [2]),
        ("age, flag_own_car", [2]),
    ],
)
def test_names_that_are_not_served_or_repeated_are_refused_by_their_place(features: str, places: list[int]) -> None:
    problem = assert_problem(page(features=features), 422, "invalid-request")
    assert [part.pointer for part in problem.errors or ()] == ["query/features"] * len(places)
    ends = [f"number {place} of those that are named" for place in places]
    assert [part.detail.rpartition(": ")[2] for part in problem.errors or ()] == ends


def test_more_names_than_a_set_can_have_are_refused_at_once() -> None:
    problem = assert_problem(page(features="," * MAX_FEATURES), 422, "invalid-request")
    assert [(part.pointer, part.detail) for part in problem.errors or ()] == [
        ("query/features", f"At most {MAX_FEATURES} features in one request")
    ]


def read(answer: Callable[[httpx.Request], httpx.Response], selection: list[str] | None) -> Page:
    async def ask() -> Page:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://features") as client:
            return await anext(Pages(client).after(0, selection))

    return asyncio.run(ask())


def older(_: httpx.Request) -> httpx.Response:
    """A release that knows no `features` of a page ignores them."""
    vector = ROW | {"event_timestamp": "2020-04-11T00:00:00Z"}
    headers = {"Feature-Set": f"{SET.name}; digest={'e' * 64}"}
    return httpx.Response(200, content=orjson.dumps({"features": [vector], "next_after": None}), headers=headers)


def test_a_feature_service_whose_pages_hold_only_present_versions_is_noticed() -> None:
    assert read(older, None).digest == "e" * 64
    with pytest.raises(PagesFailed, match="only the present versions in pages: upgrade it"):
        read(older, ["age", OLDER])


@pytest.mark.parametrize(
    ("status", "errors", "said"),
    [
        (422, [{"pointer": "query/features", "detail": "?"}], "has changed meanwhile"),
        (422, [{"pointer": "query/after", "detail": "?"}], r"does not answer .* \(status 422\)"),
        (422, None, r"does not answer .* \(status 422\)"),
        (414, None, "raise FEATURE_SERVICE_MAX_ADDRESS_BYTES"),
    ],
)
def test_a_refused_page_is_explained(status: int, errors: Any, said: str) -> None:
    with pytest.raises(PagesFailed, match=said):
        read(lambda _: httpx.Response(status, json={"type": "/problems/any", "errors": errors}), ["age"])
