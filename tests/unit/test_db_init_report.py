"""The report of a load: every line is accounted for."""

import json
from dataclasses import asdict

import pytest

from db_init.errors import LoadError
from db_init.loading.report import Recomputed, Report


def test_a_report_whose_lines_add_up_is_good() -> None:
    Report(read=10, loaded=4, unchanged=3, dropped=1, quarantined={"id_missing": 1, "malformed_line": 1}).check()


@pytest.mark.parametrize("lost", [{"read": 11}, {"loaded": 3}, {"dropped": 0}, {"quarantined": {"id_missing": 1}}])
def test_a_report_that_lost_a_line_stops_the_load(lost: dict[str, object]) -> None:
    good = Report(read=10, loaded=4, unchanged=3, dropped=1, quarantined={"id_missing": 2})
    good.check()
    with pytest.raises(LoadError, match="do not add up"):
        Report(**(asdict(good) | lost)).check()


def test_both_forms_say_the_same() -> None:
    report = Report(read=12_345, loaded=12_340, quarantined={"id_missing": 5}, clients_changed=7, seconds=1.25)
    assert json.loads(report.as_json()) == asdict(report)
    text = report.as_text().splitlines()
    assert text[0].split() == ["read", "12,345", "lines"]
    assert [line.split()[:2] for line in text if line.startswith(("quarantined", " "))] == [
        ["quarantined", "5"], ["id_missing", "5"],
    ]  # fmt: skip
    assert text[-1].split() == ["seconds", "1.2"]


def test_what_was_computed_anew_is_told_in_both_forms() -> None:
    report = Recomputed(1, 1, 1, 0.25)
    report.add(Recomputed(events=12_344, events_changed=3, clients_changed=1, seconds=1))
    assert json.loads(report.as_json()) == asdict(report)
    assert [line.split()[:2] for line in report.as_text().splitlines()] == [
        ["events", "12,345"], ["changed", "4"], ["clients", "2"], ["seconds", "1.2"],
    ]  # fmt: skip
