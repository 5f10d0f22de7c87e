"""The import rule: which way imports run, and where each external library may be imported."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from service.api.dialects import ALL

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for top in ("service", "config") for p in (ROOT / top).rglob("*.py"))

# Which of our own packages a package may import, in addition to itself.
MAY_IMPORT = {
    "config": set(),
    "service.signals": set(),
    "service.domain": set(),
    "service.devdb": set(),
    "service.storage": {"config", "service.domain", "service.signals"},
    "service.auth": {"config", "service.domain"},
    "service.llm": {"config", "service.domain"},
    "service.observability": {"config", "service.domain", "service.signals"},
    "service.api": {"service.auth", "service.domain", "service.observability", "service.signals"},
    "service.edge": {"service.api", "service.domain", "service.observability", "service.signals"},
    "service.databases": {"config", "service.devdb", "service.signals", "service.storage"},
    "service.upkeep": {"config", "service.domain", "service.observability"},
    "service.run": {"config", "service.app", "service.edge", "service.observability"},
    "service.cli": {
        *("config", "service.auth", "service.databases", "service.domain"),
        *("service.observability", "service.run"),
    },
}
# The composition root.
MAY_IMPORT_ALL = {"service.app"}
MAY_IMPORT_APP = {"service.run.server", "service.run.workers"}

# Where a library, or a part of the standard library, may be imported.
HOMES = {
    "motor": ("service.storage",),
    "pymongo": ("service.storage", "service.devdb.mongod"),
    "bson": ("service.storage",),
    "jose": ("service.auth",),
    "httpx2": ("service.auth", "service.llm"),
    "openai": ("service.llm.openai_model",),
    "jinja2": ("service.llm.templates",),
    "limits": ("service.storage.rate_counts",),
    "click": ("service.cli",),
    "uvicorn": ("service.cli.main", "service.run.server", "service.edge.protocol"),
    "pydantic_settings": ("config",),
}
DOMAIN_LIBRARIES = {"pydantic"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import with the full name"
            found.add(node.module or "")
            # `from service.domain import errors` also imports a module.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def package_of(module: str) -> str:
    """Return the part of the tree the rule speaks of: config, service.domain and so on."""
    parts = module.split(".")
    return parts[0] if parts[0] == "config" else ".".join(parts[:2])


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_run_only_the_way_the_architecture_allows(path: Path) -> None:
    importer = package_of(module_name(path))
    if importer in {*MAY_IMPORT_ALL, "service", "service.__main__"}:
        return
    ours = {i for i in imports_of(path) if i.split(".")[0] in {"service", "config"}}

    foreign = {package_of(i) for i in ours} - {importer} - MAY_IMPORT[importer]

    assert foreign - {"service"} == set()


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_each_library_is_imported_only_at_home(path: Path) -> None:
    module = module_name(path)

    strays = {
        library
        for library in {i.split(".")[0] for i in imports_of(path)} & HOMES.keys()
        if not any(is_in(module, home) for home in HOMES[library])
    }

    assert strays == set()


def test_the_domain_needs_only_pydantic_and_the_standard_library() -> None:
    domain = [p for p in SOURCES if is_in(module_name(p), "service.domain")]

    needed = {i.split(".")[0] for path in domain for i in imports_of(path)}

    assert needed - set(sys.stdlib_module_names) - {"service"} == DOMAIN_LIBRARIES


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        module_name(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"environ", "getenv"}
    }

    assert readers == {"config.settings"}


def test_only_the_access_rules_decide_what_is_in_reach() -> None:
    homes = {
        module_name(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Reach"
    }

    assert homes == {"service.domain.access"}


def test_only_the_command_line_imports_the_app() -> None:
    importers = {module_name(path) for path in SOURCES if "service.app" in imports_of(path)}

    assert importers <= MAY_IMPORT_APP


def dialect_of(module: str) -> str:
    """Return the folder of the dialect."""
    return module.removeprefix("service.api.dialects.").split(".")[0]


def test_dialects_do_not_import_each_other() -> None:
    dialects = [
        path
        for path in SOURCES
        if is_in(module_name(path), "service.api.dialects.") or "/dialects/" in str(path.parent)
    ]

    crossings = {
        (module_name(path), imported)
        for path in dialects
        for imported in imports_of(path)
        if imported.startswith("service.api.dialects.")
        and dialect_of(imported) != dialect_of(module_name(path))
    }

    assert dialects
    assert crossings == set()


def test_only_the_list_of_dialects_imports_them_by_name() -> None:
    names = [dialect.name for dialect in ALL]

    knowing = {
        module_name(path)
        for path in SOURCES
        for imported in imports_of(path)
        for name in names
        if is_in(imported, f"service.api.dialects.{name}")
        and not is_in(module_name(path), f"service.api.dialects.{name}")
    }

    assert knowing == {"service.api.dialects"}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    modules = {module_name(path): imports_of(path) for path in SOURCES}

    graph = {
        name: {i for i in imports if i in modules and i != name}
        for name, imports in modules.items()
    }

    # Raises a CycleError that names the circle.
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)
