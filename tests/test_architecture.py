"""Imports flow down only, and only two places read the environment. The layout is docs/architecture.md's."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "openclaw_sms"

# Each may import what stands below it; packages of one row never import each other.
LAYERS = [
    {"web", "admin", "management", "sandbox"},
    {"diagnostics"},
    {"messaging"},
    {"access"},
    {"config"},
    {"models", "twilio", "agents"},
    {"text", "signing"},
]
RANK = {package: rank for rank, row in enumerate(LAYERS) for package in row}
# The one door that another opens: the command that starts the gateway prints the sandbox's welcome.
EXCEPTIONS = {("management", "sandbox")}
WITHOUT_DJANGO = {"text", "signing", "twilio", "agents"}
READS_ENVIRONMENT = {
    "project/environment.py",
    "project/settings.py",
    "openclaw_sms/config/sources.py",
    "openclaw_sms/config/secrets/environment.py",
}


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "migrations" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(module: str) -> str | None:
    words = module.split(".")
    return words[1] if words[0] == "openclaw_sms" and len(words) > 1 and words[1] in RANK else None


@pytest.mark.parametrize("path", modules(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_down(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0]
    if here not in RANK:
        return
    for module in imports(path):
        there = package_of(module)
        if there is None or there == here or (here, there) in EXCEPTIONS:
            continue
        assert RANK[there] > RANK[here], f"{here} must not import {module}"


@pytest.mark.parametrize("package", sorted(WITHOUT_DJANGO))
def test_leaf_packages_know_no_django(package: str) -> None:
    for path in modules(PACKAGE / package):
        used = {module.split(".")[0] for module in imports(path)}
        assert not used & {"django", "rest_framework", "project"}, path


def test_every_folder_of_the_package_has_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert folders - {"migrations", "static"} <= set(RANK)


def test_only_settings_and_config_read_the_environment() -> None:
    for path in [*modules(PACKAGE), *modules(ROOT / "project")]:
        name = str(path.relative_to(ROOT))
        reads = any(word in path.read_text() for word in ("os.environ", "os.getenv", "project.environment"))
        assert not reads or name in READS_ENVIRONMENT or name == "project/wsgi.py", name


def test_the_policy_is_pure() -> None:
    used = {module.split(".")[0] for module in imports(PACKAGE / "access" / "policy.py")}
    assert "django" not in used
