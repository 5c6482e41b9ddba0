"""german_credit.csv is made of the public file, and of nothing else."""

import csv
import zipfile
from pathlib import Path

import pytest

import from_uci
from db_init.feature_sets.reading import read_feature_set
from handbook.german import FEATURE_SET, invented_lines

LINE = "A14 12 A32 A43 1000 A61 A73 3 A93 A101 4 A121 40 A143 A152 1 A173 1 A191 A201 1"


def lines_with(**changes: str) -> list[str]:
    """As many as the file has; the third with other cells."""
    line = [changes.get(name, cell) for name, cell in zip(from_uci.COLUMNS, LINE.split(), strict=True)]
    return [" ".join(line) if number == 3 else LINE for number in range(1, from_uci.ROWS + 1)]


def test_the_words_are_the_categories_of_the_feature_set_each_with_one_code() -> None:
    features = read_feature_set(FEATURE_SET).features
    assert [feature.name for feature in features] == list(from_uci.FEATURES)
    for feature in features:
        words = from_uci.FEATURES[feature.name]
        assert sorted((words or {}).values()) == sorted(feature.categories or ()), feature.name


def test_a_bad_credit_is_1_and_ids_count_from_1() -> None:
    made = from_uci.table(lines_with(status="2", purpose="A410"))
    assert [row[-1] for row in made[:4]] == ["0", "0", "1", "0"]
    assert [row[0] for row in (made[0], made[-1])] == ["1", "1000"]
    assert [row[4] for row in made[1:3]] == ["radio/television", "others"]
    assert [cell for cell in made[0] if not cell.isdecimal()] == [
        "no checking account", "existing credits paid back duly till now", "radio/television", "... < 100 DM",
        "1 <= ... < 4 years", "male : single", "none", "real estate", "none", "own", "skilled employee / official",
        "none", "yes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (lines_with(purpose="A47"), r"line 3, column 4 \(purpose\) is none of the codes A40, A41, .*A49, A410"),
        (lines_with(status="0"), r"line 3, column 21 \(status\) is none of the codes 1, 2"),
        (lines_with(age_in_years="A40"), r"line 3, column 13 \(age_in_years\) is not a whole number"),
        (lines_with(housing="A152 A152"), "line 3 has 22 columns, and german.data has 21"),
        (lines_with()[1:], "it has 999 lines, and german.data has 1000"),
        ([], "it has 0 lines"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(lines: list[str], message: str) -> None:
    with pytest.raises(from_uci.WrongFileError, match=message):
        from_uci.table(lines)


def test_the_file_and_its_archive_give_the_same_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, archive, output = tmp_path / "german.data", tmp_path / "archive.zip", tmp_path / "german_credit.csv"
    file.write_text("\n".join(invented_lines()) + "\n")
    with zipfile.ZipFile(archive, "w") as out:
        out.write(file, "german.data")
    from_uci.main([str(archive), str(output)])
    from_uci.main([str(file)])
    assert capsys.readouterr().out == output.read_bytes().decode()
    with output.open(newline="") as written:
        assert next(csv.reader(written)) == ["id", *from_uci.COLUMNS]


@pytest.mark.parametrize("content", [b"\x80\x00", b"id,status\r\n1,0\r\n"])
def test_what_is_another_file_ends_with_one_line_and_writes_nothing(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = tmp_path / "given", tmp_path / "german_credit.csv"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        from_uci.main([str(file), str(output)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists()
