"""What the files of each way to run the system say once they are read: Compose, Kubernetes, and the secrets of the latter."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy/kubernetes"

Document = dict[str, Any]


@cache
def compose() -> Document:
    """docker-compose.yml as it is where nothing is set."""
    read: Document = parsed(ROOT / "docker-compose.yml")
    return read


def parsed(file: Path) -> Document:
    """A file of Compose's kind as it is where nothing is set."""
    read: Document = _filled_in(yaml.safe_load(file.read_text()))
    return read


def _filled_in(value: Any) -> Any:
    """With the defaults in place of variables: after parsing, as Compose does it."""
    if isinstance(value, dict):
        return {key: _filled_in(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled_in(part) for part in value]
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def manifests(*components: str) -> list[Document]:
    """Everything that `kubectl apply -k` and the script of the secrets would create, with these components turned on."""
    found: list[Document] = json.loads(_rendered(components))
    return found


@cache
def _rendered(components: tuple[str, ...]) -> str:
    with TemporaryDirectory() as copy:
        changed = Path(copy) / "kubernetes"
        shutil.copytree(KUBERNETES, changed)
        main = changed / "kustomization.yaml"
        chosen = ", ".join(["images", *components])
        main.write_text(main.read_text().replace("components: [images]", f"components: [{chosen}]"))
        for_jobs = [f"../../{name}/jobs" for name in components if (changed / name / "jobs").is_dir()]
        for job in changed.glob("jobs/*/kustomization.yaml"):
            chosen = ", ".join(["../../images", *for_jobs])
            job.write_text(job.read_text().replace("components: [../../images]", f"components: [{chosen}]"))
        return json.dumps(_read(changed) + secrets())


def _read(main: Path) -> list[Document]:
    kubectl = Path(sys.executable).with_name("kubectl")
    documents: list[Document] = []
    for folder in [main, *sorted(file.parent for file in main.glob("jobs/*/kustomization.yaml"))]:
        text = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True).stdout
        documents += [document for document in yaml.safe_load_all(text) if document]
    return documents


def secrets() -> list[Document]:
    script = [sys.executable, str(ROOT / "deploy/make_secrets.py"), "kubernetes"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    items: list[Document] = json.loads(printed)["items"]
    return items


def of_kind(documents: Iterable[Document], *kinds: str) -> dict[str, Document]:
    return {each["metadata"]["name"]: each for each in documents if each["kind"] in kinds}


class Pod(NamedTuple):
    """What makes pods, and their description."""

    name: str
    maker: Document
    labels: dict[str, str]
    spec: Document

    @property
    def container(self) -> Document:
        [only] = self.spec["containers"]
        container: Document = only
        return container

    @property
    def package(self) -> str:
        """Of our packages, the one that the image runs."""
        name: str = self.container["image"].partition(":")[0].removeprefix("credit-risk/")
        return name.replace("-", "_")

    def environment(self, documents: Iterable[Document]) -> dict[str, str]:
        maps = of_kind(documents, "ConfigMap")
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            found |= maps.get(source["configMapRef"]["name"], {"data": {}})["data"]
        for each in self.container.get("env", ()):
            key = each.get("valueFrom", {}).get("configMapKeyRef")
            found[each["name"]] = maps[key["name"]]["data"].get(key["key"], "") if key else each.get("value", "")
        return found

    def volumes(self) -> dict[str, Document]:
        """Its volumes by their names; the templates of a stateful set are some, too."""
        claims = self.maker["spec"].get("volumeClaimTemplates", ())
        found = {claim["metadata"]["name"]: {"template": claim["spec"]} for claim in claims}
        return found | {volume["name"]: volume for volume in self.spec.get("volumes", ())}

    def mounts(self) -> dict[str, Document]:
        return {mount["mountPath"]: mount for mount in self.container.get("volumeMounts", ())}

    def files(self, documents: Iterable[Document]) -> dict[str, str]:
        """The files in /run/secrets and what they hold; nothing of a secret that is not there."""
        stored = of_kind(documents, "Secret")
        found: dict[str, str] = {}
        for source in secret_sources(self):
            content = stored.get(source["name"], {}).get("stringData", {})
            items = source.get("items") or [{"key": key, "path": key} for key in content]
            found |= {item["path"]: content.get(item["key"], "") for item in items}
        return found


def secret_sources(pod: Pod) -> Iterator[Document]:
    for volume in pod.volumes().values():
        for source in volume.get("projected", {}).get("sources", ()):
            yield source["secret"]


def pods(documents: Iterable[Document]) -> dict[str, Pod]:
    found = {}
    for maker in of_kind(documents, "Deployment", "StatefulSet", "Job").values():
        template = maker["spec"]["template"]
        name = maker["metadata"]["name"]
        found[name] = Pod(name, maker, template["metadata"]["labels"], template["spec"])
    return found


def databases(documents: Iterable[Document]) -> dict[str, Document]:
    return of_kind(documents, "Cluster")


def labels_of_all(documents: Iterable[Document]) -> dict[str, dict[str, str]]:
    """The labels of every pod, those that the operator of the databases makes too."""
    documents = list(documents)
    own = {pod.name: pod.labels for pod in pods(documents).values()}
    return own | {f"{name}-database": {"cnpg.io/cluster": name} for name in databases(documents)}


def instances(documents: Iterable[Document]) -> dict[str, dict[str, str]]:
    """The labels by which the operator of the databases tells the instances of a cluster apart, as it makes them at first."""
    return {
        f"{name}-{number}": {"cnpg.io/cluster": name, "cnpg.io/instanceName": f"{name}-{number}"}
        for name, cluster in databases(documents).items()
        for number in range(1, cluster["spec"]["instances"] + 1)
    }
