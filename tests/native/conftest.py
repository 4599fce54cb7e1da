"""The code as it is compiled, and as it is where nothing is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from vsvqe.native import library


@pytest.fixture(scope="session")
def without_compiled_code() -> Callable[[], AbstractContextManager[None]]:
    """In whose context the package is as on a processor that it has no compiled code for."""

    @contextmanager
    def context() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library, "library", lambda: None)
            yield

    return context


@pytest.fixture(autouse=True)
def compiled() -> None:
    """Leaves out tests of compiled code where there is none."""
    if library.library() is None:
        pytest.skip("no compiled code here: python scripts/build_native.py makes it")
