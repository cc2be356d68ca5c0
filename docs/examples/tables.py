"""Tables that an example measures and a page shows: kept as JSON in ``results``, with how far each column may move.

An example defines ``tables()`` and ends in ``publish(__file__, tables())``, which prints them. ``refresh.py`` runs
examples anew and compares.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Column:
    """What the numbers of a column are, how they are written, and how far they may move from machine to machine."""

    name: str
    format: str
    spread: float


@dataclass(frozen=True)
class Table:
    """Rows of numbers under named columns; a cell is a number, [mean, standard deviation], or None."""

    head: str
    columns: tuple[Column, ...]
    rows: dict[str, list]

    @classmethod
    def of(cls, value: dict) -> "Table":
        """The table that JSON holds."""
        return cls(value["head"], tuple(Column(**column) for column in value["columns"]), value["rows"])

    def markdown(self) -> str:
        """The table as a page shows it."""
        lines = [[self.head, *(column.name for column in self.columns)], ["---"] * (1 + len(self.columns))]
        lines += [[name, *cells] for name, cells in self.cells().items()]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def cells(self) -> dict[str, list[str]]:
        """The numbers of each row as they are written."""
        return {
            name: [written(value, column.format) for value, column in zip(values, self.columns, strict=True)]
            for name, values in self.rows.items()
        }

    def moved(self, new: "Table") -> list[str]:
        """What is further from this table than its spreads allow."""
        names = [column.name for column in self.columns]
        if list(self.rows) != list(new.rows) or names != [column.name for column in new.columns]:
            return ["rows or columns are others than before"]
        return [
            f"{name}, {column.name}: {written(old, column.format)} became {written(value, column.format)}, "
            f"which is more than {column.spread:g} away"
            for name in self.rows
            for column, old, value in zip(self.columns, self.rows[name], new.rows[name], strict=True)
            if not is_near(old, value, column.spread)
        ]


def middle(value: float | list[float]) -> float:
    """The number itself, or the mean of [mean, standard deviation]."""
    return value[0] if isinstance(value, list) else value


def written(value: float | list[float] | None, form: str) -> str:
    """A cell of a table."""
    if value is None:
        return "-"
    return " ± ".join(format(number, form) for number in (value if isinstance(value, list) else [value]))


def is_near(old: float | list[float] | None, new: float | list[float] | None, spread: float) -> bool:
    """Whether a value stayed within the spread; nothing and NaN are only near nothing."""
    if old is None or new is None:
        return old is new
    return abs(middle(new) - middle(old)) <= spread


def read(name: str, folder: Path = RESULTS) -> dict[str, Table]:
    """The committed tables of an example."""
    return {key: Table.of(value) for key, value in json.loads((folder / f"{name}.json").read_text()).items()}


def publish(script: str, tables: dict[str, Table]) -> None:
    """Print an example's tables, and with ``--output folder`` write them as JSON."""
    for name, table in tables.items():
        print(f"\n{name}\n\n{table.markdown()}")
    if "--output" in sys.argv:
        folder = Path(sys.argv[sys.argv.index("--output") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        values = {name: asdict(table) for name, table in tables.items()}
        (folder / f"{Path(script).stem}.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
