"""An analysis as the client returns it: the contract's, with tables and a picture for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.client.summary import summary_html
from mien.contract import results
from mien.contract.timeline import WHERE, Row, timeline_rows

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Analysis(results.Analysis):
    """An analysis in any state."""

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each window of each face, with the columns of the CSV (docs/csv.md).

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_pandas() needs pandas: run pip install pandas.", name="pandas") from error
        columns, rows = self._table()
        return pd.DataFrame(rows, columns=columns)

    def to_polars(self) -> pl.DataFrame:
        """Return a row for each window of each face, with the columns of the CSV (docs/csv.md).

        Raises:
            ModuleNotFoundError: polars is not installed.
        """
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_polars() needs polars: run pip install polars.", name="polars") from error
        columns, rows = self._table()
        return pl.DataFrame({name: [row.get(name) for row in rows] for name in columns}, strict=False)

    def _table(self) -> tuple[list[str], list[Row]]:
        rows = [row for row in timeline_rows(self) if "note" not in row]
        fixed = [name for name in WHERE if name != "note"]
        return list(dict.fromkeys([*fixed, *(name for row in rows for name in row)])), rows

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return summary_html(self)
