"""The operations on model versions: list them with their roles, and read the details of one."""

import asyncio

from prediction_service.errors import ModelNotFound
from prediction_service.state import State
from prediction_service.versions.catalogue import Roles, details, summaries, vouched_file
from prediction_service.versions.serving import Models
from service_kit.operations import Operations, json_bytes
from service_kit.request.ask import Ask
from shared_schemas import ModelDetails, ModelList, ModelReference, ModelRole, ModelTables

operations = Operations[State]("models")


def roles_of(models: Models) -> Roles:
    roles: dict[str, list[ModelRole]] = {}
    for role, version in models.versions.items():
        if version is not None:
            roles.setdefault(version, []).append(role)
    return roles


@operations.declare("GET", "/models", ModelList, scope="predict")
async def model_versions(ask: Ask[State]) -> bytes:
    """List the model versions and their roles"""
    models = ask.state.models
    found = await asyncio.to_thread(summaries, models.model_dir, roles_of(models))
    champion, challenger = models.versions["champion"], models.versions["challenger"]
    return json_bytes(ModelList(champion=champion, challenger=challenger, models=found).model_dump())


_NO_SUCH = {404: "No such version, or it has no such file: `/problems/model-not-found`"}


@operations.declare("GET", "/models/{version}/tables", ModelTables, scope="predict", problems=_NO_SUCH)
async def model_tables(ask: Ask[State], version: str) -> bytes:
    """Read the tables of a model version"""
    return await _file(ask, version, "tables.json")


@operations.declare("GET", "/models/{version}/reference", ModelReference, scope="predict", problems=_NO_SUCH)
async def model_reference(ask: Ask[State], version: str) -> bytes:
    """Read the training population of a model version"""
    return await _file(ask, version, "reference.json")


async def _file(ask: Ask[State], version: str, name: str) -> bytes:
    content = await asyncio.to_thread(vouched_file, ask.state.models.model_dir, version, name)
    if content is None:
        raise ModelNotFound
    return content


@operations.declare(
    "GET",
    "/models/{version}",
    ModelDetails,
    scope="predict",
    problems={404: "No such version: `/problems/model-not-found`"},
)
async def model_version(ask: Ask[State], version: str) -> bytes:
    """Read all details of a model version"""
    models = ask.state.models
    found = await asyncio.to_thread(details, models.model_dir, version, roles_of(models))
    if found is None:
        raise ModelNotFound
    return json_bytes(found.model_dump())
