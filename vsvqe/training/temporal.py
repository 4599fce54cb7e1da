"""Losses over time: what should stay the same from frame to frame, along the motion.

Flows are in pixels, `[N, 2, H, W]`, horizontal first: the pixel at `p` of one frame is the one at
`p + flow(p)` of the other.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vsvqe.training.losses import LEAST_MSE

# Of Sundaram, Brox and Keutzer: how far there and back may miss, by length and at least.
RELATIVE_MISS = 0.01
LEAST_MISS = 0.5


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """Fetches every pixel from where the flow points, with linear interpolation.

    Args:
        pictures: `[N, C, H, W]`.
        flow: See above; beyond the border, the nearest pixel of the border is taken.
    """
    height, width = flow.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    # From pixels to the coordinates of the sampler, in which the outermost centres are -1 and 1.
    x = 2.0 * (columns + flow[:, 0]) / max(width - 1, 1) - 1.0
    y = 2.0 * (rows + flow[:, 1]) / max(height - 1, 1) - 1.0
    places = torch.stack((x, y), dim=-1)
    return functional.grid_sample(pictures, places, padding_mode="border", align_corners=True)


def inside(flow: Tensor) -> Tensor:
    """Tells where a flow points into the picture: `[N, 1, H, W]`, 1 or 0."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    x, y = columns + flow[:, 0], rows + flow[:, 1]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).to(flow.dtype).unsqueeze(1)


def visible(there: Tensor, back: Tensor) -> Tensor:
    """Tells which pixels are seen in both frames: `[N, 1, H, W]`, 1 or 0.

    A pixel that the flow there and the flow back do not return to itself is hidden in the other
    frame, or its motion is wrong: `|w + w'|^2 < 0.01 (|w|^2 + |w'|^2) + 0.5`, after Sundaram, Brox
    and Keutzer, "Dense point trajectories by GPU-accelerated large displacement optical flow",
    ECCV 2010.

    Args:
        there: Flow from this frame to the other.
        back: Flow from the other frame to this one.
    """
    returned = warp(back, there)
    miss = (there + returned).square().sum(1, keepdim=True)
    length = there.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    close = (miss < RELATIVE_MISS * length + LEAST_MISS).to(there.dtype)
    return close * inside(there)


def warped_difference(
    current: Tensor, other: Tensor, flow: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean absolute difference of a frame to another one that was warped to it.

    After the warping error of Lai et al., "Learning blind video temporal consistency", ECCV 2018.

    Args:
        current: Restored frames `[N, C, H, W]`.
        other: Restored neighbours.
        flow: Flow from `current` to `other`, of the clean video, so that blur isn't rewarded with
            an easier flow.
        weight: What counts, `[N, 1, H, W]`, such as `visible`; else all that stays inside.

    Example:
        >>> import torch
        >>> from vsvqe.training.temporal import warped_difference
        >>> frame = torch.rand(1, 3, 8, 8)
        >>> flow = torch.zeros(1, 2, 8, 8)
        >>> flow[:, 0] = 1.0
        >>> warped_difference(frame, frame.roll(1, dims=-1), flow) < 1e-6
        tensor(True)
    """
    counts = inside(flow) if weight is None else weight
    difference = (current - warp(other, flow)).abs().mean(1, keepdim=True)
    # Where nothing counts there is nothing to learn, rather than a division by zero.
    return (counts * difference).sum() / counts.sum().clamp_min(1.0)


def relative_change(error: Tensor, mse: Tensor, flow: Tensor) -> Tensor:
    """Mean squared change of the error from a frame to the next, relative to the damage.

    What is wrong but moves along with the picture misleads no eye, nor what measures motion.

    Args:
        error: Luma error of all first frames, then of all second ones, `[2 N, 1, H, W]`.
        mse: Luma error of the input `[2 N]`.
        flow: From the first to the second frames.
    """
    relative = error / (mse + LEAST_MSE).sqrt()[:, None, None, None]
    first, second = relative.chunk(2)
    return (inside(flow) * (first - warp(second, flow)).square()).mean()


def cycle_difference(frames: Tensor) -> Tensor:
    """Mean absolute difference of the frames on the way there to the same frames on the way back.

    For a recurrent network that was given a clip and then the clip backwards: whatever it has
    piled up on the way shows. The "ping-pong" loss of Chu et al. (TecoGAN), ACM TOG 39(4), 2020,
    with the absolute difference.

    Args:
        frames: Restored frames `[N, T, C, H, W]` of a clip that is mirrored in time; T even.

    Raises:
        ValueError: If the number of frames is odd.
    """
    count = frames.shape[1]
    if count % 2:
        raise ValueError(f"a clip mirrored in time has an even number of frames, not {count}")
    there, back = frames[:, : count // 2], frames[:, count // 2 :].flip(1)
    return (there - back).abs().mean()
