"""Learning rates over the steps of a training, as factors of the highest rate."""

from __future__ import annotations

import math


def warmup_stable_decay(step: int, steps: int, warmup: int = 200, decay: float = 0.25) -> float:
    """Returns a short rise, a long plateau and a fall that goes as one minus the square root.

    Unlike a cosine, the plateau does not depend on the length of the training: one that ended can
    be continued from the beginning of its fall, and gives what the longer training would have.
    Source: Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
    Durations", 2024.

    Args:
        step: Steps done.
        steps: Steps of the whole training.
        warmup: Steps of the rise.
        decay: Share of the steps that the fall takes, 0 to 1.

    Example:
        >>> [warmup_stable_decay(step, 1000) for step in (100, 500, 1000)]
        [0.5, 1.0, 0.0]
    """
    rise = min(1.0, step / warmup) if warmup else 1.0
    start = plateau_end(steps, decay)
    if step <= start or start == steps:
        return rise
    return rise * (1.0 - math.sqrt(min(1.0, (step - start) / (steps - start))))


def plateau_end(steps: int, decay: float = 0.25) -> int:
    """Returns the step at which ``warmup_stable_decay`` begins to fall."""
    return steps - round(steps * decay)


def cosine_restarts(step: int, period: int, lowest: float = 0.0) -> float:
    """Returns a cosine from 1 to ``lowest`` that starts again after every period.

    Source: Loshchilov and Hutter, "SGDR", 2017, equation 5, with periods of equal length.

    Args:
        step: Steps done.
        period: Steps from one restart to the next.
        lowest: Factor at the end of a period.

    Example:
        >>> [cosine_restarts(step, 100) for step in (0, 50, 100)]
        [1.0, 0.5, 1.0]
    """
    phase = (step % period) / period
    return lowest + (1.0 - lowest) * 0.5 * (1.0 + math.cos(math.pi * phase))
