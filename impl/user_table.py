"""A user's table as float64 [N, d], read from a file of numbers, and what had to be decided to read it.

What is not plainly a number of the table is either left out, which the notes say, or refused by row and column.
"""

import contextlib
import csv
import gzip
import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

Table = Float[np.ndarray, "N d"]

LARGEST_MAGNITUDE = 1e6
FEWEST_ROWS = 3
# In the order in which they are tried: a comma may stand in a number, a blank in a name.
SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas", " ": "blanks"}
ROW_NAMES: Final = frozenset({"", "index", "id", "row", "#", "unnamed: 0"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
# A line of remarks; a first cell that is # alone names the rows.
_REMARK = re.compile(r"\s*#(?!\s*[,;\t|])")


@dataclass(frozen=True)
class UserData:
    """A user's table: its name, read-only float64 values [N, d], the SHA-256 of shape and values.

    `rows` are the numbers by which messages speak of the rows: counted from 1, or the lines of a text file; `columns`
    are the names of the d columns, or their numbers counted from 1. `notes` say in words what was decided to read the
    file and what was left out of it.
    """

    name: str
    values: Table
    digest: str
    rows: tuple[int, ...]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Raw:
    """An array as it stands in the file, with the numbers of its rows, its columns' names, and the notes so far."""

    what: str
    values: np.ndarray
    rows: Sequence[int]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    named: bool = False

    def without(self, dropped: Sequence[int], note: str) -> "_Raw":
        """The array without these columns."""
        kept = [j for j in range(self.values.shape[1]) if j not in set(dropped)]
        columns = tuple(self.columns[j] for j in kept)
        return replace(self, values=self.values[:, kept], columns=columns, notes=(*self.notes, note))


def read(path: str | Path) -> UserData:
    """A user's table from .npy or .npz (never unpickled), .csv, .tsv or .txt, each also compressed as .gz.

    In text, columns are separated by commas, semicolons, tabs, vertical bars or blanks, one and the same throughout;
    a first line of names, or one that counts the columns, is a header; a first column that counts the rows, or is named
    as their index, is left out, and so are a constant column and lines that begin with #; commas in numbers are decimal
    commas where another separator stands between columns. The notes say each of these.

    ValueError, one line with file, place and allowed range, on: a missing or unreadable file, another suffix, entries
    that are not real numbers, other than two axes, fewer than 3 rows, NaN or infinity, magnitudes above 1e6, no column
    that varies. Rows and columns are counted from 1; the rows of a text are its lines.
    """
    path = Path(path)
    suffix = _unpacked(path).suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise ValueError(f"data file {path.name!r}: suffix {suffix!r} must be one of {known}, or one of these with .gz")
    what = f"data file {path.name!r}"
    try:
        with _opened(path) as file:
            raw = _READERS[suffix](file, what)
    except FileNotFoundError:
        raise ValueError(f"data file {str(path)!r} does not exist") from None
    except (OSError, EOFError, MemoryError, OverflowError, UnicodeError, csv.Error, zlib.error) as reason:
        raise ValueError(f"{what} cannot be read: {_line(reason)}") from None
    _check(raw)
    raw = _varying(_without_index(raw))
    values = np.ascontiguousarray(raw.values, dtype=np.float64)
    values.setflags(write=False)
    name, rows = _unpacked(path).stem, tuple(raw.rows[: len(values)])
    return UserData(name, values, _digest(values), rows, raw.columns, raw.notes)


def _unpacked(path: Path) -> Path:
    """The name without .gz."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _opened(path: Path) -> BufferedIOBase:
    return path.open("rb") if path == _unpacked(path) else gzip.open(path)


def _read_npy(file: BufferedIOBase, what: str) -> _Raw:
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as reason:
        raise ValueError(
            f"{what} must be a plain numeric .npy array, not objects or another format: {_line(reason)}"
        ) from None
    return _array(array, what)


def _read_npz(file: BufferedIOBase, what: str) -> _Raw:
    """The one table of an archive. ValueError where there is none, or more than one, naming them."""
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError(f"{what} must be an archive of arrays, and is a single one")
        held = {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, KeyError) as reason:
        raise ValueError(f"{what} must be an archive of plain numeric arrays: {_line(reason)}") from None
    tables = [name for name, array in held.items() if array.ndim == 2]
    if len(tables) != 1:
        seen = ", ".join(f"{name} {list(array.shape)}" for name, array in held.items()) or "nothing"
        raise ValueError(f"{what} must hold exactly one array [rows, columns]; it holds {seen}")
    raw = _array(held[tables[0]], what)
    return replace(raw, notes=(f"the array {tables[0]!r} of the archive",)) if len(held) > 1 else raw


def _array(array: np.ndarray, what: str) -> _Raw:
    width = array.shape[1] if array.ndim == 2 else 0
    return _Raw(what, array, range(1, array.shape[0] + 1 if array.ndim else 1), _numbers(width))


def _numbers(width: int) -> tuple[str, ...]:
    return tuple(str(j) for j in range(1, width + 1))


def _read_text(file: BufferedIOBase, what: str) -> _Raw:
    """Cells between separators, a header apart. ValueError by line and column for what is no number."""
    lines = file.read().decode("utf-8-sig").splitlines(keepends=True)
    remarks = [j for j, line in enumerate(lines, start=1) if _REMARK.match(line)]
    separator, cells = _separated(["\n" if _REMARK.match(line) else line for line in lines])
    numbers = [line for line, _ in cells]
    table = [[cell.strip() for cell in row] for _, row in cells]
    header, notes = _header(table, numbers)
    if header:
        table, numbers = table[1:], numbers[1:]
    if not table:
        raise ValueError(f"{what} has 0 rows of numbers; at least {FEWEST_ROWS} are needed")
    width = len(table[0])
    between = f"; {SEPARATORS[separator]} stand between cells" if width > 1 else "; no separator was seen"
    for line, row in zip(numbers, table, strict=True):
        if len(row) != width:
            raise ValueError(f"{what}, row {line}: {len(row)} cells where the first row has {width}{between}")
    if remarks:
        notes = (
            f"left out as remarks, for their #: {'line' if len(remarks) == 1 else 'lines'} {_ranges(remarks)}",
            *notes,
        )
    if separator == ",":
        notes += _decimal_pairs(table, numbers, len(header), what)
    else:
        table, with_points = _with_points(table)
        notes += with_points
    for line, row in zip(numbers, table, strict=True):
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                raise ValueError(f"{what}, row {line}, column {column}: {cell[:40]!r} is not a real number{between}")
    if width > 1 and separator != ",":
        notes = (f"{SEPARATORS[separator]} separate its columns", *notes)
    named = len(header) == width and not any(map(_is_number, header))
    columns = tuple(header) if named else _numbers(width)
    return _Raw(what, np.array([[float(cell) for cell in row] for row in table]), numbers, columns, notes, named)


def _separated(lines: Sequence[str]) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator that cuts every line into equally many cells, two at least; else the one seen on most lines."""
    cut = {}
    for separator in SEPARATORS:
        # Quotation marks may fit one separator alone.
        with contextlib.suppress(csv.Error):
            cut[separator] = _cells(lines, separator)
    if not cut:
        raise csv.Error("its quotation marks fit no separator")
    even = [x for x, rows in cut.items() if rows and len({len(row) for _, row in rows}) == 1 and len(rows[0][1]) > 1]
    found = even[0] if even else max(cut, key=lambda x: sum(len(row) > 1 for _, row in cut[x]))
    return found, cut[found]


def _cells(lines: Sequence[str], separator: str) -> list[tuple[int, list[str]]]:
    """The cells of every line that has some, with the line's number."""
    if separator == " ":
        if any('"' in line for line in lines):
            raise csv.Error("quotation marks around cells that blanks separate")
        return [(j, line.split()) for j, line in enumerate(lines, start=1) if line.strip()]
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def _header(table: list[list[str]], lines: Sequence[int]) -> tuple[list[str], tuple[str, ...]]:
    """The first row where it is a header: names alone, or whole numbers that count the columns; and what to ask."""
    first = table[0] if table else []
    if first and not any(_is_number(cell) or _DECIMAL_COMMA.fullmatch(cell) for cell in first):
        return first, ()
    corner = first[:1] == [""]
    counted = first[1:] if corner else first
    plain = counted[:1] in (["0"], ["1"])
    if len(first) > 1 and _consecutive(counted) and (plain or corner or len(counted) > 2):
        shown = f"line {lines[0]} ({_shown(counted)}) counts the columns"
        # Of two columns a datum may well say 0, 1; and a datum may well say 0.0, 1.0, 2.0 or 4, 5, 6.
        if corner or (plain and len(counted) > 2):
            return first, (f"{shown}: taken for a header, not for a datum",)
        return [], (f"{shown}: kept as a datum; delete it if it is a header",)
    return [], ()


def _consecutive(cells: Sequence[str]) -> bool:
    """Whether the cells are consecutive whole numbers, ascending."""
    if not cells or not all(map(_is_number, cells)):
        return False
    numbers = [float(cell) for cell in cells]
    return numbers[0].is_integer() and numbers == [numbers[0] + j for j in range(len(numbers))]


def _decimal_pairs(table: list[list[str]], lines: Sequence[int], names: int, what: str) -> tuple[str, ...]:
    """What to ask where commas may stand inside numbers: all cells are whole numbers then, two for each column.

    ValueError where a header has one name for two cells, or some are such as nobody writes: -0, 05 and 000 are halves
    of -0,3 and 1,05.
    """
    width = len(table[0])
    paired = width % 2 == 0 and all(
        _WHOLE.fullmatch(left) and right.isdigit()
        for row in table
        for left, right in zip(row[::2], row[1::2], strict=True)
    )
    for line, row in zip(lines, table, strict=True) if paired else ():
        for left, right in zip(row[::2], row[1::2], strict=True):
            if 2 * names == width or left == "-0" or (len(right) > 1 and right.startswith("0")):
                raise ValueError(
                    f"{what}, row {line}: '{left},{right}' looks like one number with a decimal comma; write decimal"
                    " points, or separate the columns by semicolons or tabs"
                )
    if not (paired and width == 2):
        return ()
    seen = f"'{table[0][0]},{table[0][1]}'"
    return (f"commas separate its two columns of whole numbers: if {seen} is one number, write a decimal point",)


def _with_points(table: list[list[str]]) -> tuple[list[list[str]], tuple[str, ...]]:
    """The cells with decimal points for decimal commas, where no number has a point."""
    flat = [cell for row in table for cell in row]
    if not any(_DECIMAL_COMMA.fullmatch(cell) for cell in flat) or any("." in cell for cell in flat):
        return table, ()
    pointed = [[x.replace(",", ".") if _DECIMAL_COMMA.fullmatch(x) else x for x in row] for row in table]
    return pointed, ("commas in its numbers are decimal commas",)


_READERS: Mapping[str, Callable[[BufferedIOBase, str], _Raw]] = MappingProxyType(
    {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_text, ".tsv": _read_text, ".txt": _read_text}
)


def _check(raw: _Raw) -> None:
    what, values = raw.what, raw.values
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what}: entries of type {values.dtype} must be real numbers (float, integer or boolean)")
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"{what}: shape {values.shape} must be [rows, columns] with at least 1 column")
    if len(values) < FEWEST_ROWS:
        raise ValueError(f"{what}: {len(values)} rows; at least {FEWEST_ROWS} are needed")
    # In float64 at least: half precision cannot hold the limit, nor integers the magnitude of their least.
    magnitude = np.abs(values.astype(np.result_type(values, np.float64)))
    for place in np.argwhere(~(magnitude <= LARGEST_MAGNITUDE))[:1]:  # so written, NaN fails
        row, column = (int(k) for k in place)
        raise ValueError(
            f"{what}, row {raw.rows[row]}, column {column + 1}: {values[row, column]} must be finite"
            f" and at most {LARGEST_MAGNITUDE:g} in magnitude"
        )


def _without_index(raw: _Raw) -> _Raw:
    """Without a first column that counts the rows, unless it has a name of its own: then the notes ask."""
    first = raw.values[:, 0].astype(np.float64)
    if raw.values.shape[1] < 2 or np.any(first != np.round(first)):
        return raw
    counts = any(np.array_equal(first, np.arange(len(first)) + k) for k in (0, 1))
    if raw.named and raw.columns[0].lower() in ROW_NAMES:
        label = f" ({raw.columns[0]})" if raw.columns[0] else ""
        return raw.without([0], f"column 1{label} names the rows and was left out")
    if counts and not raw.named:
        return raw.without([0], "column 1 counts the rows and was left out")
    if counts:
        said = f"column 1 ({raw.columns[0]}) counts the rows and was kept: delete it if it is no feature"
        return replace(raw, notes=(*raw.notes, said))
    return raw


def _varying(raw: _Raw) -> _Raw:
    """Without constant columns. ValueError where no column varies."""
    constant = np.flatnonzero((raw.values == raw.values[0]).all(axis=0)).tolist()
    if len(constant) == raw.values.shape[1]:
        raise ValueError(f"{raw.what}: every column is constant; at least one must vary")
    if not constant:
        return raw
    columns = [raw.columns[j] for j in constant]
    if raw.named:
        return raw.without(constant, f"constant and left out: {', '.join(columns)}")
    return raw.without(constant, f"constant and left out: columns {_ranges([int(name) for name in columns])}")


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, runs of them as ranges.

    >>> _ranges([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in runs)


def _shown(cells: Sequence[str], most: int = 6) -> str:
    return ", ".join([*cells[:most], *(["..."] if cells[most:] else [])])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; tables do not mean it


def _line(reason: BaseException) -> str:
    return " ".join(str(reason).split())


def _digest(values: Table) -> str:
    shape = np.array(values.shape, dtype="<u8").tobytes()
    return hashlib.sha256(shape + values.astype("<f8").tobytes()).hexdigest()
