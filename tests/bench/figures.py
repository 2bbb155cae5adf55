"""Figures of benchmarks, and their Markdown table: written, and read to compare two."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from service.onnx_runtime import onnxruntime
from service.worker.cpus import available_cpus

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
"""The lines of a page before and after the table."""

HEAD = "| benchmark | what | figure | unit | target |\n|---|---|---|---|---|"


class Figure(NamedTuple):
    """A measured figure."""

    what: str
    value: float
    unit: str
    target: str = ""
    """`≤ 10` or `≥ 0.9`; empty where there is none."""

    @property
    def missed(self) -> bool:
        """Whether there is a target and the figure misses it."""
        if not self.target:
            return False
        sign, bound = self.target.split()
        return self.value > float(bound) if sign == "≤" else self.value < float(bound)


def row(benchmark: str, figure: Figure) -> str:
    """Return the figure's line of the table."""
    target = f"{figure.target}{' (missed)' if figure.missed else ''}"
    return f"| {benchmark} | {figure.what} | {shown(figure.value)} | {figure.unit} | {target} |"


def shown(value: float) -> str:
    """Return a number with three significant digits, or with all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def read_rows(text: str) -> dict[tuple[str, str], float]:
    """Return the figures of a page's table by benchmark and name."""
    rows = re.findall(r"^\| (\S+) \| (.+?) \| ([\d.,e-]+) \| .*? \| .*?\|$", text, re.MULTILINE)
    return {(benchmark, what): float(value.replace(",", "")) for benchmark, what, value in rows}


def replaced(page: str, lines: Iterable[str]) -> str:
    """Return a page with these lines as its table, below the machine's description."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{machine()}\n\n{HEAD}\n{chr(10).join(lines)}\n{END}{after}"


def compared(old: str, new: str) -> Iterator[str]:
    """Yield the lines of a table that compares the figures of two pages."""
    before, after = read_rows(old), read_rows(new)
    yield "| benchmark | what | old | new | new / old |"
    yield "|---|---|---|---|---|"
    for name in {**before, **after}:
        values = [rows[name] for rows in (before, after) if name in rows]
        ratio = f"{values[1] / values[0]:.2f}" if len(values) > 1 and values[0] else ""
        cells = [shown(rows[name]) if name in rows else "" for rows in (before, after)]
        yield f"| {' | '.join((*name, *cells, ratio))} |"


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(1000 * share) // 1000) - 1)]


def machine() -> str:
    """Describe this machine and its load."""
    try:
        model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    load = f", load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{model[1] if model else platform.processor()}, {available_cpus()} processors, {platform.system()} "
        f"{platform.machine()}; Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}{load}."
    )
