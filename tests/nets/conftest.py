from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def inference() -> Iterator[None]:
    """Leaves gradients out."""
    with torch.inference_mode():
        yield
