"""``python -m vsvqe``: the same as the command ``vsvqe``."""

import sys


def main() -> None:
    """Runs the command line, or says what is missing for it."""
    try:
        from .cli.app import run
    except ModuleNotFoundError as error:
        sys.exit(
            f'vsvqe: the command line needs the package {error.name!r}: pip install "vsvqe[cli]"'
        )
    run()


if __name__ == "__main__":
    main()
