"""Who may import whom: the table of the layers, and every import held against it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "xdm_async"

LEAF: set[str] = set()
ROAD = {
    "auth",
    "budgets",
    "clock",
    "endpoints",
    "errors",
    "models",
    "scheduling",
    "stores",
    "streams",
    "transport",
    "wire",
}
"""All that an account is put together from."""
MAY_IMPORT: dict[str, set[str]] = {
    "_version": LEAF,
    "errors": LEAF,
    "clock": LEAF,
    "models": LEAF,
    "budgets": {"errors"},
    "wire": {"models", "budgets", "errors"},
    "transport": {"wire", "clock", "errors", "_version"},
    "auth": {"wire", "stores", "clock", "errors"},
    "scheduling": {"wire", "budgets", "clock", "errors"},
    "endpoints": {"wire", "models", "clock", "errors"},
    "stores": {"budgets", "clock", "errors"},
    "streams": {"endpoints", "models", "stores", "clock", "errors"},
    "hands": ROAD,
    "reading": ROAD | {"hands"},
    "watching": ROAD | {"hands", "reading"},
    "conversation": ROAD | {"hands", "reading", "watching"},
    "account": ROAD | {"hands", "reading", "watching", "conversation"},
    "access": ROAD | {"hands", "account"},
    "arguments": {"budgets", "errors"},
    "app": ROAD
    | {"hands", "reading", "watching", "conversation", "account", "access", "arguments"},
    "emulator": LEAF,
    "testing": {"emulator", "wire", "clock", "errors"},
    "simulation": {"scheduling", "budgets", "wire", "clock", "errors", "emulator"},
    "cli": {
        "",
        "_version",
        "account",
        "app",
        "budgets",
        "emulator",
        "errors",
        "models",
        "simulation",
    },
    "": {
        "_version",
        "access",
        "account",
        "app",
        "auth",
        "budgets",
        "conversation",
        "errors",
        "models",
        "reading",
        "scheduling",
        "stores",
        "streams",
    },
}
"""Part -> the parts it may import; "" is what the package itself hands on."""

DOORS: dict[str, set[str]] = {
    "aiohttp": {"transport", "emulator", "app"},
    "yarl": {"transport"},
    "aiolimiter": {"scheduling/pacing"},
    "oauthlib": {"auth/login", "auth/oauth1", "auth/tokens", "emulator"},
    "cattrs": {"wire/converter"},
    "msgspec": {"wire", "emulator"},
    "cryptography": {"stores/sealing"},
    "keyring": {"stores/sealing"},
    "sqlite3": {"stores"},
    "typer": {"cli"},
    "rich": {"cli"},
    "platformdirs": {"cli"},
    "pytest_asyncio": {"testing"},
}
"""Dependency -> the parts (or modules) through which alone it comes in."""

PURE = (
    "simulation",
    "arguments",
    "auth/outage",
    "auth/terms",
    "budgets",
    "models",
    "wire",
    "errors",
    "scheduling/machine",
    "scheduling/flows",
    "scheduling/roster",
    "scheduling/suspicion",
    "scheduling/layout",
    "scheduling/events",
    "scheduling/answers",
    "scheduling/forecast",
    "scheduling/forgetting",
    "scheduling/pool",
    "scheduling/notices",
    "scheduling/reporter",
    "streams/ascent",
    "streams/bounds",
    "streams/descent",
    "streams/look",
    "streams/outages",
    "streams/pace",
    "streams/positions",
    "streams/seen",
    "streams/since",
    "streams/walks",
)
"""What decides, or says what things are: no time, no event loop, no I/O."""

IMPURE = {"asyncio", "time", "socket", "threading", "subprocess", "os", "aiohttp"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE).with_suffix("")
    return "/".join(p for p in relative.parts if p != "__init__")


def part_of(path: Path) -> str:
    return name_of(path).split("/")[0]


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every import as a line number and an absolute dotted name."""
    found = []
    package = ("xdm_async", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            stem = ".".join(part for part in (base, node.module or "") if part)
            if stem == "xdm_async" or (node.level and node.module is None):
                found += [(node.lineno, f"{stem}.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, stem))
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    part = part_of(path)
    assert part in MAY_IMPORT, f"{part} has no place in the table of the layers"
    for line, name in imports_of(path):
        top, *rest = name.split(".")
        if top != "xdm_async":
            continue
        target = (
            rest[0]
            if rest and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").exists())
            else ""
        )
        if target != part:
            assert target in MAY_IMPORT[part], f"{path.name}:{line} {part} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_dependency_comes_in_by_its_door_only(path: Path) -> None:
    for line, name in imports_of(path):
        doors = DOORS.get(name.split(".")[0])
        if doors is not None:
            assert {part_of(path), name_of(path)} & doors, f"{path.name}:{line} imports {name}"


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p).startswith(PURE)], ids=name_of)
def test_what_decides_knows_no_time_and_no_event_loop(path: Path) -> None:
    for line, name in imports_of(path):
        assert name.split(".")[0] not in IMPURE, f"{path.name}:{line} imports {name}"
    tree = ast.parse(path.read_text())
    assert not any(isinstance(node, ast.Await) for node in ast.walk(tree))


def test_the_table_of_the_layers_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        free = {part for part, needs in MAY_IMPORT.items() if part not in done and needs <= done}
        assert free, f"a cycle among {sorted(set(MAY_IMPORT) - done)}"
        done |= free
