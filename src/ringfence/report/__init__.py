"""One HTML page about a folder of run records: tables, curves and the rows with the highest scores.

The page needs a browser and nothing else: no network, no script. Its numbers come from `benchmark.tables`, as
those of the text table do.
"""

import os
from pathlib import Path

from ..benchmark.records import read_records
from ..exceptions import InvalidParameter


def write_report(folder: str | Path, out: str | Path) -> Path:
    """Write the page about `folder` to the file `out` and return its path; an older file is replaced whole.

    Parameters
    ----------
    folder
        Has `records.jsonl` and, for the figures, `runs/<id>.npz`; what is not there is named on the page.
    out
        Folders above it are made.

    Raises
    ------
    InvalidData
        If the records are missing or damaged.
    InvalidParameter
        If `out` is a folder, or matplotlib or jinja2 is not installed.
    """
    require_packages()
    from .page import render_page

    folder, out = Path(folder), Path(out)
    if out.is_dir():
        raise InvalidParameter(f"out={out}: is a folder; allowed is the name of a file")
    page = render_page(folder, read_records(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        made.write_text(page, encoding="utf-8")
        made.replace(out)
    finally:
        made.unlink(missing_ok=True)
    return out


def require_packages() -> None:
    """Raise `InvalidParameter` unless what the report draws and writes with is installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InvalidParameter("the report needs: pip install 'ringfence[report]'") from error
