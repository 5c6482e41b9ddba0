import ast
from pathlib import Path

import pytest

from db_init.errors import LoadError
from db_init.feature_sets.feast_repo import write_repository
from hand_made import FEATURE_SET

URL = "http://127.0.0.1:8000/feast"


def test_a_repository_declares_each_feature_with_its_type_and_names_the_address(tmp_path: Path) -> None:
    write_repository(tmp_path / "new", FEATURE_SET, URL + "/")
    assert f'path: "{URL}"\n' in (tmp_path / "new" / "feature_store.yaml").read_text()
    calls = [
        node
        for node in ast.walk(ast.parse((tmp_path / "new" / "features.py").read_text()))
        if isinstance(node, ast.Call)
    ]
    fields = [
        {word.arg: ast.unparse(word.value) for word in call.keywords}
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Field"
    ]
    assert [(field["name"], field["dtype"]) for field in fields] == [
        ("'weight'", "Float64"), ("'count'", "Int64"), ("'flag'", "Int64"), ("'colour'", "String"), ("'sex'", "Int64")
    ]  # fmt: skip


def test_a_description_cannot_become_code(tmp_path: Path) -> None:
    described = 'A "quoted" text,\nwith a \\ and {braces} and \u2028.'
    first, *others = FEATURE_SET.features
    features = (first.model_copy(update={"description": described}), *others)
    write_repository(tmp_path, FEATURE_SET.model_copy(update={"features": features}), URL)
    constants = [
        node.value
        for node in ast.walk(ast.parse((tmp_path / "features.py").read_text()))
        if isinstance(node, ast.Constant)
    ]
    assert described in constants


def test_a_repository_that_is_there_is_kept(tmp_path: Path) -> None:
    write_repository(tmp_path, FEATURE_SET, URL)
    before = (tmp_path / "feature_store.yaml").read_text()
    with pytest.raises(LoadError, match="already"):
        write_repository(tmp_path, FEATURE_SET, "http://other")
    assert (tmp_path / "feature_store.yaml").read_text() == before


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "file:///etc/passwd"])
def test_an_address_is_one_of_http(tmp_path: Path, url: str) -> None:
    with pytest.raises(LoadError, match="http"):
        write_repository(tmp_path, FEATURE_SET, url)
