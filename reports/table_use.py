"""What a run made of a user's table: how many configurations used it, which part of it, and which claims could not."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from elbound.reports.document import integer, optional, record, several, tagged, text
from elbound.reports.row import Row

# What a run says of the table from the start. `columns` are their names, those of largest variance first, which is the
# order in which experiments take them; `without` are the claims on trial that no experiment judges on data.
TABLE = optional(
    record(name=text, rows=integer, columns=several(text), notes=several(text), without=several(text)),
)


def use_of(table: Mapping[str, Any] | None, rows: Iterable[Row]) -> dict[str, Any] | None:
    """The table of a run with what its judged rows used; None where no table was given.

    used, configurations: how many distinct configurations used it, and how many were judged in all. rows_used,
    columns_used: the fewest and the most rows and columns that one of them took, [0, 0] where none did.
    """
    if table is None:
        return None
    judged = {
        (row.experiment, json.dumps(tagged(row.configuration), sort_keys=True)): row for row in rows if row.judged
    }
    drawn = [(row.data_rows, row.data_columns) for row in judged.values() if row.data_rows]
    spans = [[min(part), max(part)] for part in zip(*drawn, strict=True)] or [[0, 0], [0, 0]]
    told = {"used": len(drawn), "configurations": len(judged), "rows_used": spans[0], "columns_used": spans[1]}
    return {**table, **told}


def told(use: Mapping[str, Any]) -> list[str]:
    """The use of a table in sentences, as terminal and page say it."""
    width = len(use["columns"])
    lines = ["; ".join([f"Your table {use['name']}: {use['rows']:,} rows, {width:,} columns", *use["notes"]]) + "."]
    if use["used"]:
        rows, columns = (_span(*use[part]) for part in ("rows_used", "columns_used"))
        most = use["columns_used"][1]
        named = ", ".join(use["columns"][:most])
        which = f"those of largest variance: {named}" if most < width else "those of largest variance"
        lines.append(
            f"It was used by {use['used']:,} of {use['configurations']:,} configurations, {rows} of its rows (drawn by"
            f" the configuration's seed) and {columns} of its columns ({which}) at a time."
        )
    else:
        lines.append(f"None of {use['configurations']:,} configurations used it.")
    if use["without"]:
        lines.append(f"These claims take no data: {', '.join(use['without'])}.")
    return lines


def _span(fewest: int, most: int) -> str:
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
