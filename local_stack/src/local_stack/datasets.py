"""The dataset that the stack serves: its database, data and model. Runs the loader and the trainer."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from db_init.feature_sets.stored import DEFAULT_SET
from local_stack.errors import StackError
from local_stack.postgres import Server
from local_stack.settings import Settings
from prediction_service.versions.folder import champion_version

SAMPLE = "sample"
OWN = "own"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Dataset:
    """A database of clients, and the registry folder of its models."""

    name: str
    model_dir: Path


class Loader:
    """Fills databases and trains models with the same commands that a person uses."""

    def __init__(self, server: Server, settings: Settings, say: Say) -> None:
        self._server = server
        self._settings = settings
        self._say = say
        self._state = settings.data_dir / "datasets.json"

    def prepare(self) -> Dataset:
        """Load the given files, and return the dataset to serve: the user's own if it exists, otherwise the sample."""
        settings = self._settings
        for file in filter(None, (settings.feature_set, settings.data, settings.features)):
            if not file.is_file():
                raise StackError(f"There is no file {file}.")
        ready = self._ready()
        given = settings.feature_set or settings.data or settings.features
        if given:
            self._load_own()
            self._remember([*ready, OWN])
        elif not ready:
            self._load_sample()
            self._remember([SAMPLE])
        name = OWN if OWN in self._ready() else SAMPLE
        self._db_init(name, "migrate")
        # Without a model, too: an earlier training was interrupted or refused.
        if name == OWN and (given or champion_version(self._models(OWN)) is None):
            self._train_own()
        return Dataset(name, self._model_dir(name))

    def _ready(self) -> list[str]:
        return list(json.loads(self._state.read_text())) if self._state.exists() else []

    def _remember(self, names: list[str]) -> None:
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(set(names))))
        fresh.replace(self._state)

    def _load_sample(self) -> None:
        settings = self._settings
        self._create(SAMPLE)
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            loans = Path(folder, "loans.csv")
            self._say(f"making a sample of {settings.sample_clients:,} clients (first run only)")
            amount, seed = str(settings.sample_clients), str(settings.sample_seed)
            self._db_init(SAMPLE, "sample", "--clients", amount, "--seed", seed, "--out", str(loans))
            self._say("loading it")
            self._db_init(SAMPLE, "load", str(loans))
        self._train(SAMPLE)

    def _load_own(self) -> None:
        settings = self._settings
        self._create(OWN)
        if settings.feature_set:
            self._say(f"applying the feature set of {settings.feature_set}")
            self._db_init(OWN, "apply", str(settings.feature_set), "--model-dir", str(self._models(OWN)))
        if settings.data:
            self._say(f"loading the events of {settings.data}")
            self._db_init(OWN, "load", str(settings.data))
        if settings.features:
            self._say(f"loading the features of {settings.features}")
            self._import(settings.features)

    def _train_own(self) -> None:
        try:
            self._train(OWN)
        except StackError as reason:
            self._say(f"no model could be trained on this data: {reason}")
            if champion_version(self._models(OWN)) is None:
                self._without_model()

    def _without_model(self) -> None:
        if not self._sample_fits():
            self._say(
                "no decision is possible without a model: requests for decisions get 503 `/problems/model-unavailable`"
            )
            return
        self._say("the model of the sample decides instead: its answers are not meaningful for your clients")
        if SAMPLE not in self._ready():
            self._load_sample()
            self._remember([SAMPLE])

    def _sample_fits(self) -> bool:
        """Whether the user's own data has the feature set of the sample's model."""
        with psycopg.connect(self._server.url(OWN)) as connection:
            row = connection.execute("SELECT name FROM feature_sets WHERE current").fetchone()
        return row is None or row[0] == DEFAULT_SET

    def _import(self, file: Path) -> None:
        try:
            self._db_init(OWN, "import-features", str(file))
        except StackError as error:
            raise StackError(
                f"{error} If its columns are not those of the feature set in force, describe them first: "
                f"python -m db_init draft {file} > own.toml, answer its questions, and then "
                f"make run FEATURE_SET=own.toml FEATURES={file}"
            ) from error

    def _models(self, name: str) -> Path:
        return self._settings.data_dir / "models" / name

    def _train(self, name: str) -> None:
        self._say("training the model")
        with tempfile.TemporaryDirectory(dir=self._settings.data_dir) as folder:
            rows = Path(folder, "training.parquet")
            self._db_init(name, "export-training", str(rows), "--rows", "last")
            self._python(
                "prediction_service.train", str(rows), "--model-dir", str(self._models(name)), "--repeats", "1"
            )

    def _create(self, name: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._db_init(name, "migrate")

    def _model_dir(self, name: str) -> Path:
        own = self._models(name)
        if champion_version(own) is None and (name == SAMPLE or self._sample_fits()):
            return self._models(SAMPLE)
        own.mkdir(parents=True, exist_ok=True)
        return own

    def _db_init(self, database: str, *arguments: str) -> None:
        self._python("db_init", *arguments, DB_INIT_DATABASE_URL=self._server.url(database))

    def _python(self, module: str, *arguments: str, **environment: str) -> None:
        """Run a command of this project. Its output goes to the terminal. Raises StackError if it fails."""
        command = [sys.executable, "-m", module, *arguments]
        variables = os.environ | environment | {"OMP_NUM_THREADS": "1"}
        with subprocess.Popen(  # noqa: S603 -- our own modules
            command, env=variables, stdout=subprocess.PIPE, stderr=None, text=True
        ) as process:
            assert process.stdout is not None  # noqa: S101 -- piped above
            for line in process.stdout:
                self._say(f"  {line.rstrip()}")
        if process.returncode:
            raise StackError(f"`{module} {arguments[0]}` stopped with exit code {process.returncode}.")
