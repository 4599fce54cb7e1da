"""Versions of installed packages, for keys of what is kept."""

from importlib.metadata import PackageNotFoundError, version

NONE = "none"
"""Stands for the version of what is not installed."""


def installed_version(package: str) -> str:
    """Returns the version of a package, ``NONE`` if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return NONE


def is_installed(package: str) -> bool:
    """Whether a package is installed, whatever its version."""
    return installed_version(package) != NONE
