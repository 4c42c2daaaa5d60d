"""Tables of Parquet files of a folder, looked at before memory is taken for them."""

import os
from pathlib import Path
from typing import IO, Any

import torch

from vgbench.errors import UsageError
from vgbench.extras import needed
from vgbench.hardware import free_memory
from vgbench.storage.files import opened, within

PACKED, FREE = 64, 2**28
"""Most times that a table may be larger than its file, and bytes that it may have however small the file is."""
_NUMBER = 8  # bytes of one in memory, at most; a column that repeats one takes next to none in the file


def library() -> Any:
    """Return the package `pyarrow.parquet`."""
    return needed("pyarrow.parquet", "pyarrow", "LeRobot", "lerobot")


def read_table(folder: Path, path: Path, columns: list[str] | None = None) -> Any:
    """Read some columns, or all, of a file of a folder.

    Raises:
        UsageError: it is damaged, no file, a link out of the folder, or larger than its file or memory lets expect.
    """
    parquet = library()
    try:
        # From what was opened: another file may come to have its name.
        with opened(within(folder, str(path.relative_to(folder)))) as file:
            _check_size(parquet.ParquetFile(file).metadata, file, columns)
            file.seek(0)
            return parquet.read_table(file, columns=columns)
    # pyarrow's own errors are of the first four kinds.
    except (OSError, ValueError, KeyError, NotImplementedError, MemoryError, OverflowError) as err:
        raise UsageError(f"{path} cannot be read: {err or type(err).__name__}") from err


def _check_size(about: Any, file: IO[bytes], columns: list[str] | None) -> None:
    """Refuse a table that is far larger than the file it is in, or that memory does not hold.

    Raises:
        ValueError: it is.
    """
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    parts = [group.column(column) for group in groups for column in range(group.num_columns)]
    wanted = [part for part in parts if columns is None or part.path_in_schema.partition(".")[0] in columns]
    size = sum(max(part.total_uncompressed_size, part.num_values * _NUMBER) for part in wanted)
    held, free = os.fstat(file.fileno()).st_size, free_memory(torch.device("cpu"))
    most = min(max(FREE, PACKED * held), size if free is None else free)
    if size > most:
        raise ValueError(f"its table declares {size} bytes, expected at most {most}: the file has {held}")
