"""Blockiness against sums over the sets of the paper, by hand, and on a real JPEG file."""

import cv2
import numpy as np
import pytest

from vsvqe.metrics.blockiness import blockiness


def _by_loops(plane: np.ndarray, block: int) -> float:
    """The paper's sets of neighbours, one pair at a time."""
    borders, others = [], []
    height, width = plane.shape
    for y in range(height):
        for x in range(width):
            here = float(plane[y, x])
            if x + 1 < width:
                pairs = borders if (x + 1) % block == 0 else others
                pairs.append((here - float(plane[y, x + 1])) ** 2)
            if y + 1 < height:
                pairs = borders if (y + 1) % block == 0 else others
                pairs.append((here - float(plane[y + 1, x])) ** 2)
    if np.mean(borders) <= np.mean(others):
        return 0.0
    weight = np.log2(block) / np.log2(min(height, width))
    return float(weight * (np.mean(borders) - np.mean(others)))


@pytest.mark.parametrize("block", [8, 16])
@pytest.mark.parametrize("shape", [(40, 64), (37, 51)])
def test_same_as_loops(texture: np.ndarray, block: int, shape: tuple[int, int]) -> None:
    picture = texture[: shape[0], : shape[1]].copy()
    picture += (
        np.add.outer(np.arange(shape[0]) // block, np.arange(shape[1]) // block) % 2 * 9
    ).astype(np.uint8)
    expected = _by_loops(picture, block)
    assert expected > 1
    assert blockiness(picture[None], block)[0] == pytest.approx(expected, rel=1e-5)


def test_checked_board_by_hand() -> None:
    # Every border is a step of 6, and nothing else is: 36 * log2(8) / log2(64).
    board = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((8, 8))) * 6 + 100
    assert blockiness(board.astype(np.uint8)[None])[0] == pytest.approx(18.0)


def test_grid_elsewhere_is_no_blockiness() -> None:
    board = np.kron(np.indices((9, 9)).sum(axis=0) % 2, np.ones((8, 8)))[4:68, 4:68] * 6 + 100
    assert blockiness(board.astype(np.uint8)[None])[0] == 0.0


def test_grows_with_the_compression_of_a_jpeg_file(texture: np.ndarray) -> None:
    coded = []
    for quality in (90, 30, 5):
        _, file = cv2.imencode(".jpg", texture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        coded.append(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE))
    light, medium, heavy = blockiness(np.stack(coded))
    assert light < medium < heavy
    assert blockiness(texture[None])[0] < medium


def test_needs_a_border() -> None:
    with pytest.raises(ValueError, match="larger than 16"):
        blockiness(np.zeros((1, 16, 64)), 16)
