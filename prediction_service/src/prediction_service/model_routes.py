"""The routes about the model versions: which there are, which decides, and what is known of each."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from prediction_service.catalogue import Roles, details, summaries
from prediction_service.errors import ModelNotFound
from prediction_service.model import Models
from service_kit.routing import json_response, problem_responses
from shared_schemas import ModelDetails, ModelList, ModelRole

# Described by hand: FastAPI would document a 422 for it, and no name of a version is invalid, only unknown.
_VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "Name of a version, as in the list.",
    "schema": {"type": "string"},
}

router = APIRouter(tags=["models"])


async def _models(request: Request) -> Models:
    models: Models = request.state.models
    return models


RegistryModels = Annotated[Models, Depends(_models)]


def _roles(models: Models) -> Roles:
    roles: dict[str, list[ModelRole]] = {}
    for role, version in models.versions.items():
        if version is not None:
            roles.setdefault(version, []).append(role)
    return roles


@router.get("/models", summary="The model versions, and which of them decides", response_model=ModelList)
async def model_versions(models: RegistryModels) -> Response:
    found = await asyncio.to_thread(summaries, models.model_dir, _roles(models))
    champion, challenger = models.versions["champion"], models.versions["challenger"]
    return json_response(ModelList(champion=champion, challenger=challenger, models=found).model_dump())


@router.get(
    "/models/{version:path}",
    summary="Everything that is known of a model version",
    response_model=ModelDetails,
    responses=problem_responses({404: "No such version: `/problems/model-not-found`"}),
    openapi_extra={"parameters": [_VERSION]},
)
async def model_version(request: Request, models: RegistryModels) -> Response:
    found = await asyncio.to_thread(details, models.model_dir, request.path_params["version"], _roles(models))
    if found is None:
        raise ModelNotFound
    return json_response(found.model_dump())
