"""What counts as the shape of an output."""

import pytest

from handbook.shapes import differs


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", "anything"),
        ('{"a": 1, "b": null}', '{"b": "x", "a": 2.5}'),
        ('{"a": 1,…}', '{"a": 2, "more": 3}'),
        ('{"a": […]}', '{"a": [{"b": 1}]}'),
        ("  read    12,000  lines", "  read     1,500  lines"),
        ("first\n...\nlast", "first\nsecond\nthird\nlast"),
        ("version 20261124T195505-99ca63ab decides", "version 20261201T000000-00000000 decides"),
    ],
)
def test_figures_and_ids_may_differ(shown: str, printed: str) -> None:
    assert differs(shown.splitlines(), printed.splitlines()) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"a": 1}', '{"b": 1}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": {"b": 1}}', '{"a": {"c": 1}}'),
        ("loaded  5  lines", "dropped  5  lines"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ('{"a": 1}', "curl: (7) Failed to connect"),
    ],
)
def test_other_words_and_keys_do(shown: str, printed: str) -> None:
    assert differs(shown.splitlines(), printed.splitlines())
