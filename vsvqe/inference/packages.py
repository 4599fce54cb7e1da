"""Versions of installed packages, for keys of what is kept."""

from importlib.metadata import PackageNotFoundError, version


def installed_version(package: str) -> str:
    """Returns the version of a package, ``"none"`` if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
