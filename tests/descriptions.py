"""X's own descriptions of its API, which lie beside the project where there are any.

``XDM_OPENAPI`` names another folder; ``XDM_CONTRACT=required`` makes their absence a failure.
"""

import os
from pathlib import Path

import pytest

CLASSIC, CURRENT = "x-dm-openapi-2.166.json", "x-dm-openapi.json"

FOLDER = Path(
    os.environ.get("XDM_OPENAPI") or Path(__file__).parents[1].parent / "shared" / "openapi"
)


def needed() -> None:
    """Skip with a word where they are absent, or fail where they must be there."""
    missing = [name for name in (CLASSIC, CURRENT) if not (FOLDER / name).is_file()]
    if missing:
        what = f"X's OpenAPI files are not here: {FOLDER} has no {' and no '.join(missing)}"
        if os.environ.get("XDM_CONTRACT") == "required":
            pytest.fail(what, pytrace=False)
        pytest.skip(what)
