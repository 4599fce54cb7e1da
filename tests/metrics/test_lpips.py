"""LPIPS against the official example; its weights are no part of the project."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsvqe.metrics.lpips import Lpips


@pytest.fixture(scope="module")
def weights(data: Path) -> Path:
    return data / "weights"


@pytest.fixture(scope="module")
def metric(weights: Path) -> Lpips:
    return Lpips(weights / "alexnet_features_torchvision_layout.pth")


@pytest.fixture(scope="module")
def examples(weights: Path) -> dict[str, np.ndarray]:
    folder = weights / "lpips_example_images"
    return {
        name: np.asarray(Image.open(folder / f"ex_{name}.png").convert("RGB"))[None]
        for name in ("ref", "p0", "p1")
    }


def test_official_example(metric: Lpips, examples: dict[str, np.ndarray]) -> None:
    reference = examples["ref"]
    assert metric.distance(reference, examples["p0"])[0] == pytest.approx(0.722, abs=1e-3)
    assert metric.distance(reference, examples["p1"])[0] == pytest.approx(0.138, abs=1e-3)


def test_equal_pictures(metric: Lpips, examples: dict[str, np.ndarray]) -> None:
    assert metric.distance(examples["ref"], examples["ref"])[0] == 0.0


def test_needs_rgb(metric: Lpips) -> None:
    with pytest.raises(ValueError, match="x 3"):
        metric.distance(np.zeros((1, 64, 64)), np.zeros((1, 64, 64)))
