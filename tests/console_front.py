"""Both services behind the local front door, from the settings of the environment: `python console_front.py PORT`."""

import asyncio
import sys

import uvicorn

from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.front import FrontDoor
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.service import server_options
from service_kit.settings import ServiceSettings


async def main(port: int) -> None:
    settings = ServiceSettings()
    front = FrontDoor(create_feature_app(FeatureSettings()), create_prediction_app(PredictionSettings()), settings)
    await uvicorn.Server(uvicorn.Config(front, port=port, **server_options(settings))).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
