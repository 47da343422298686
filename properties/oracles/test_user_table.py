"""A user's files: read faithfully, what was decided said in the notes, or refused in one line."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from elbound.impl.user_table import UserData, read

EPS = np.finfo(np.float64).eps
GOOD = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, -1.0], [0.5, 0.0]])


def saved(folder: Path, values: np.ndarray) -> Path:
    path = folder / "table.npy"
    np.save(path, values)
    return path


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.longdouble, np.int8, np.int64, np.bool_, ">f4"]
)
def test_real_arrays_of_any_type_come_back_as_float64(tmp_path: Path, dtype: np.dtype) -> None:
    values = (GOOD > 1).astype(dtype) if np.dtype(dtype).kind == "b" else GOOD.astype(dtype)
    data = read(saved(tmp_path, np.asfortranarray(values)))
    assert data.name == "table"
    assert data.values.dtype == np.float64
    assert data.values.flags.c_contiguous
    assert not data.values.flags.writeable
    assert np.array_equal(data.values, values.astype(np.float64))


@pytest.mark.parametrize("header", ["", "a,b\n", "\ufeffa,b\r\n", "\n"])
def test_a_csv_holds_the_same_table_and_digest_as_the_array(tmp_path: Path, header: str) -> None:
    text = header + "\n".join(",".join(repr(float(v)) for v in row) for row in GOOD) + "\n\n"
    data = read(written(tmp_path, text))
    array = read(saved(tmp_path, GOOD))
    assert np.array_equal(data.values, GOOD)
    assert data.digest == array.digest
    assert data.digest != read(saved(tmp_path, GOOD + EPS)).digest
    assert data.digest != read(saved(tmp_path, GOOD.reshape(4, 2)[:3])).digest


def with_entry(value: float) -> np.ndarray:
    values = GOOD.copy()
    values[2, 1] = value
    return values


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (np.array([[1, "a"], [2, 3], [4, 5]], dtype=object), "not objects"),
        (np.array([["1", "2"], ["3", "4"], ["5", "6"]]), "entries of type <U1"),
        (GOOD + 1j, "entries of type complex128"),
        (GOOD[:, 0], r"shape \(4,\) must be \[rows, columns\]"),
        (GOOD[None], r"shape \(1, 4, 2\)"),
        (np.zeros((4, 0)), "at least 1 column"),
        (GOOD[:2], "2 rows; at least 3"),
        (np.zeros((0, 2)), "0 rows; at least 3"),
        (with_entry(np.nan), "row 3, column 2: nan must be finite"),
        (with_entry(-np.inf), "row 3, column 2: -inf must be finite"),
        (with_entry(1.1e6), r"row 3, column 2: 1100000.0 .*at most 1e\+06"),
        (np.array([[0, 1], [np.iinfo(np.int64).min, 2], [5, 3]]), "row 2, column 1: -9223372036854775808"),
        (GOOD * 0, "every column is constant"),
    ],
)
def test_an_array_that_cannot_be_judged_is_refused_in_one_line(tmp_path: Path, values: np.ndarray, named: str) -> None:
    path = tmp_path / "table.npy"
    np.save(path, values, allow_pickle=True)
    with pytest.raises(ValueError, match=named) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)
    assert "table.npy" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,2\n3,x\n5,6\n", "row 3, column 2: 'x' is not a real number"),
        ("1,2\n3,1_0\n5,6\n", "row 2, column 2: '1_0' is not"),
        ("1,2\n3,\n5,6\n", "row 2, column 2: '' is not"),
        ("1,b\n3,4\n5,6\n", "row 1, column 2: 'b' is not"),
        ("1+2j,1\n3,4\n5,6\n", r"row 1, column 1: '1\+2j' is not"),
        ("1,2\n3,4,5\n5,6\n", "row 2: 3 cells where the first row has 2"),
        ("a,b\n1,2\n\n3,nan\n5,6\n", "row 4, column 2: nan must be finite"),
        ("a;b\n1;2\n3;x\n5;6\n", "row 3, column 2: 'x' is not a real number; semicolons stand between cells"),
        ("1;2\n3;4;5\n5;6\n", "row 2: 3 cells where the first row has 2; semicolons"),
        ("x\n1\n3 m\n5\n", "row 3: 2 cells where"),
        ("x\n1\n3m\n5\n", "row 3, column 1: '3m' is not a real number; no separator was seen"),
        ("1;2.5\n3;4,5\n5;6\n", "row 2, column 2: '4,5' is not"),
        ("1;1.234,5\n3;4,5\n5;6\n", "row 1, column 2: '1.234,5' is not"),
        ("0,5\n-0,25\n1,125\n", "row 2: '-0,25' looks like one number with a decimal comma"),
        ("x,y\n1,05,2,5\n3,50,1,75\n5,25,7,5\n", "row 2: '1,05' looks like one number"),
        ("1,2\n3,4\n", "2 rows; at least 3"),
        ("3,2\n3,2\n3,2\n", "every column is constant"),
        ("a,b\n", "0 rows"),
        ("", "0 rows"),
        ('1,2\n"3,4\n5,6\n', "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_judged_is_refused_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        read(written(tmp_path, text))
    assert "\n" not in str(refusal.value)
    assert "table.csv" in str(refusal.value)


def test_files_that_are_no_tables_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(GOOD))
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe1,2\n")
    whole = saved(tmp_path, GOOD).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    (tmp_path / "huge.npy").write_bytes(whole.replace(b"(4, 2)", b"(4000000000000000000, 2)"))
    np.savez(tmp_path / "archive.npz", GOOD)
    np.savez(tmp_path / "two.npz", a=GOOD, b=GOOD)
    np.savez(tmp_path / "flat.npz", a=GOOD[:, 0])
    np.savez(tmp_path / "objects.npz", a=np.array([{}, {}], dtype=object))
    (tmp_path / "array.npz").write_bytes(whole)
    (tmp_path / "plain.csv.gz").write_bytes(b"1,2\n3,4\n5,7\n")
    (tmp_path / "archive.npy").write_bytes((tmp_path / "archive.npz").read_bytes())
    named = {
        "absent.csv": "does not exist",
        "folder.npy": "cannot be read",
        "latin.csv": "cannot be read",
        "table.xlsx": "suffix '.xlsx' must be one of .npy, .npz, .csv, .tsv, .txt, or one of these with .gz",
        "table.xlsx.gz": "suffix '.xlsx' must be",
        "table.gz": "suffix '' must be",
        "plain.csv.gz": "cannot be read",
        "array.npz": "archive of plain numeric arrays",
        "two.npz": r"exactly one array \[rows, columns\]; it holds a \[4, 2\], b \[4, 2\]",
        "flat.npz": r"it holds a \[4\]",
        "objects.npz": "archive of plain numeric arrays",
        **dict.fromkeys(["pickle.npy", "empty.npy", "cut.npy", "huge.npy", "archive.npy"], "must be a plain numeric"),
    }
    for name, words in named.items():
        with pytest.raises(ValueError, match=words) as refusal:
            read(tmp_path / name)
        assert name in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_files_of_every_kind_and_spelling_hold_the_same_table(tmp_path: Path) -> None:
    text = "\n".join(",".join(map(repr, row)) for row in GOOD.tolist())
    np.save(tmp_path / "A.NPY", GOOD)
    (tmp_path / "A.NPY.npy").rename(tmp_path / "A.NPY")
    np.savez(tmp_path / "a.npz", rows=GOOD, labels=GOOD[:, 0])
    (tmp_path / "a.CSV.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.npy.gz").write_bytes(gzip.compress((tmp_path / "A.NPY").read_bytes()))
    written(tmp_path, text, "a.CSV")
    for separator, name in (
        (";", "a.csv"),
        ("\t", "a.tsv"),
        ("|", "a.txt"),
        (" ", "b.txt"),
        ("  ", "c.txt"),
        (", ", "d.csv"),
    ):
        written(tmp_path, text.replace(",", separator), name)
    found = {path.name: read(path) for path in sorted(tmp_path.iterdir())}
    assert len(found) == 11
    assert {data.digest for data in found.values()} == {read(saved(tmp_path, GOOD)).digest}
    assert {data.name for data in found.values()} == {"A", "a", "b", "c", "d"}
    assert found["a.tsv"].notes == ("tabs separate its columns",)
    assert found["a.npz"].notes == ("the array 'rows' of the archive",)
    assert found["a.CSV"].notes == found["d.csv"].notes == ()


def columns_and_notes(data: UserData) -> tuple[tuple[str, ...], str]:
    return data.columns, "; ".join(data.notes)


@pytest.mark.parametrize(
    ("text", "columns", "notes"),
    [
        ("a,b\n1,2\n3,5\n4,-1\n", ("a", "b"), ""),
        (
            "1,2,3\n9,1,2\n8,3,5\n7,4,-1\n",
            ("1", "2", "3"),
            "line 1 (1, 2, 3) counts the columns: taken for a header, not for a datum",
        ),
        (
            "1,2\n3,5\n4,-1\n",
            ("1", "2"),
            "line 1 (1, 2) counts the columns: kept as a datum; delete it if it is a header",
        ),
        (
            "id;a;b\n17;1;2\n3;3;5\n99;4;-1\n",
            ("a", "b"),
            "semicolons separate its columns; column 1 (id) names the rows and was left out",
        ),
        ("1,1,2\n2,3,5\n3,4,-1\n", ("2", "3"), "column 1 counts the rows and was left out"),
        (
            "t,a,b\n0,1,2\n1,3,5\n2,4,-1\n",
            ("t", "a", "b"),
            "column 1 (t) counts the rows and was kept: delete it if it is no feature",
        ),
        ("a,b,c,e\n1,7,2,0\n3,7,5,0\n4,7,-1,0\n", ("a", "c"), "constant and left out: b, e"),
        (
            "x;y\n1,0;2\n3,0;5\n4,0;-1,0\n",
            ("x", "y"),
            "semicolons separate its columns; commas in its numbers are decimal commas",
        ),
    ],
)
def test_what_was_decided_is_said(tmp_path: Path, text: str, columns: tuple[str, ...], notes: str) -> None:
    data = read(written(tmp_path, text))
    assert columns_and_notes(data) == (columns, notes)
    pair = data.values[:, -2:]
    assert np.array_equal(pair, GOOD[:3])


def test_constant_columns_of_an_array_are_left_out_as_ranges(tmp_path: Path) -> None:
    padded = np.column_stack([np.zeros(4), np.ones(4), GOOD[:, 0], np.zeros(4), GOOD[:, 1]])
    data = read(saved(tmp_path, padded))
    assert columns_and_notes(data) == (("3", "5"), "constant and left out: columns 1-2, 4")
    assert np.array_equal(data.values, GOOD)


def test_rows_keep_their_lines_whatever_is_left_out_above_them(tmp_path: Path) -> None:
    data = read(written(tmp_path, "\n,0,1\n\n0,1,2\n1,3,5\n\n2,4,-1\n"))
    assert data.rows == (4, 5, 7)


@pytest.mark.parametrize(
    ("first", "rest", "note"),
    [
        ("0.0,1.0,2.0", "9,1,2\n8,3,5\n7,4,-1\n", "kept as a datum; delete it if it is a header"),
        ("1990,1991,1992", "9,1,2\n8,3,5\n7,4,-1\n", "kept as a datum; delete it if it is a header"),
        (",1990,1991", "5,1,2\n9,3,5\n6,4,-1\n", "taken for a"),
        ("1,2.5,4", "9,1,2\n8,3,5\n7,4,-1\n", ""),
    ],
)
def test_a_first_line_that_may_be_a_header_is_never_read_in_silence(
    tmp_path: Path, first: str, rest: str, note: str
) -> None:
    notes = "; ".join(read(written(tmp_path, f"{first}\n{rest}")).notes)
    assert note in notes if note else not notes


def test_one_column_of_decimal_commas_reads_as_two_and_the_notes_ask(tmp_path: Path) -> None:
    data = read(written(tmp_path, "1,5\n2,7\n1,1\n4,4\n"))
    assert data.values.shape == (4, 2)
    assert data.notes == (
        "commas separate its two columns of whole numbers: if '1,5' is one number, write a decimal point",
    )
    for text in ("1.0,5\n2,7\n4,1\n", "1,-5\n2,7\n4,1\n", "1,5,2\n2,7,9\n4,1,4\n"):
        assert not read(written(tmp_path, text)).notes


@pytest.mark.parametrize(
    ("names", "both", "rows"),
    [("height", "x,y", "1,5\n2,7\n4,1\n"), ("a,b", "a,b,c,d", "1,5,2,5\n2,7,3,5\n4,1,4,2\n")],
)
def test_one_name_for_two_cells_is_a_column_of_decimal_commas(tmp_path: Path, names: str, both: str, rows: str) -> None:
    with pytest.raises(ValueError, match=r"row 2: '1,5' looks like one number with a decimal comma"):
        read(written(tmp_path, f"{names}\n{rows}"))
    assert read(written(tmp_path, f"{both}\n{rows}")).columns == tuple(both.split(","))


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("# of the year 2020\na,b\n1,5.5\n2.5,7\n3,1\n", ("a", "b"), "left out as remarks, for their #: line 1"),
        ("  # x y\n#next\n1 5.5\n2.5 7\n3 1\n", ("1", "2"), "left out as remarks, for their #: lines 1-2"),
        ("1;5.5\n2.5;7\n3;1\n# the end\n", ("1", "2"), "left out as remarks, for their #: line 4"),
    ],
)
def test_lines_of_remarks_are_left_out_with_a_note(
    tmp_path: Path, text: str, columns: tuple[str, ...], said: str
) -> None:
    data = read(written(tmp_path, text))
    assert np.array_equal(data.values, [[1.0, 5.5], [2.5, 7.0], [3.0, 1.0]])
    assert data.columns == columns
    assert said in data.notes


def test_a_first_cell_that_is_a_number_sign_names_the_rows(tmp_path: Path) -> None:
    data = read(written(tmp_path, "#,a,b\n1,1,5.5\n2,2.5,7\n3,3,1\n"))
    assert data.columns == ("a", "b")
    assert data.rows == (2, 3, 4)
