"""The scales that models give one after the other, for a whole scale or for a size."""

import math
from collections.abc import Iterable
from itertools import combinations_with_replacement

_MOST_SCALE = 16
_MOST_STEPS = 4


def possible(own: Iterable[int]) -> list[int]:
    """Returns the scales that models can give, one or several of them in turn.

    Args:
        own: Scale of each.

    Example:
        >>> from vsvqe.filters.scales import possible
        >>> possible([2, 4]), possible([3]), possible([1])
        ([2, 4, 8, 16], [3, 9], [1])
    """
    return sorted({math.prod(steps) for steps in _chains(own)})


def to_scale(own: Iterable[int], scale: int) -> tuple[int, ...] | None:
    """Returns the fewest steps that make a scale, or ``None`` if none do.

    The smallest come first: later ones see more pixels, and a small step before a large one gave
    the better picture, too.

    Example:
        >>> from vsvqe.filters.scales import to_scale
        >>> to_scale([2, 4], 8), to_scale([2], 8), to_scale([2, 4], 6)
        ((2, 4), (2, 2, 2), None)
    """
    return min(
        (steps for steps in _chains(own) if math.prod(steps) == scale), key=len, default=None
    )


def to_reach(own: Iterable[int], needed: float) -> tuple[int, ...] | None:
    """Returns the fewest steps that make a scale or more, of these the least; ``None`` if none do.

    Example:
        >>> from vsvqe.filters.scales import to_reach
        >>> to_reach([2, 4], 1.5), to_reach([2, 4], 6.0), to_reach([3], 4.0)
        ((2,), (2, 4), (3, 3))
    """
    enough = (steps for steps in _chains(own) if math.prod(steps) >= needed)
    return min(enough, key=lambda steps: (len(steps), math.prod(steps)), default=None)


def _chains(own: Iterable[int]) -> list[tuple[int, ...]]:
    """Returns all that make sense, each the smallest step first."""
    scales = sorted(set(own))
    chains = [
        steps
        for count in range(1, _MOST_STEPS + 1)
        for steps in combinations_with_replacement(scales, count)
        if math.prod(steps) <= _MOST_SCALE
    ]
    # What does not enlarge does not do so a second time either.
    return [steps for steps in chains if len(steps) == 1 or 1 not in steps]
