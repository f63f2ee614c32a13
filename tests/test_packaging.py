"""What pip installs: every package, every file that they read, one version."""

from __future__ import annotations

import sys
from pathlib import Path

import hierprune

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
LEFT_OUT = {"tests", "benchmarks", "docs", "build", "dist", "runs"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> dict[str, Path]:
    """The packages of the source tree, by name."""
    tops = [p for p in ROOT.iterdir() if p.is_dir() and p.name not in LEFT_OUT]
    inits = [i for top in tops if not top.name.startswith(".") for i in top.rglob("__init__.py")]
    folders = [ROOT, *(init.parent for init in inits)]
    return {".".join(("hierprune", *f.relative_to(ROOT).parts)): f for f in folders}


def test_every_package_is_installed() -> None:
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(packages())


def matched(folder: Path, pattern: str) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.glob(pattern)}


def test_every_file_that_packages_read_is_installed() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for name, folder in packages().items():
        found = {f.name for f in folder.iterdir() if f.is_file() and f.suffix not in (".py", ".md")}
        if folder != ROOT:
            assert {
                f for pattern in data.get(name, []) for f in matched(folder, pattern)
            } >= found, name
    assert all(matched(packages()[name], p) for name, patterns in data.items() for p in patterns)
    assert data["hierprune"] == ["py.typed"]


def test_there_is_one_version() -> None:
    assert PROJECT["project"]["version"] == hierprune.__version__
