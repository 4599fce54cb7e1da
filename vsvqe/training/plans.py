"""How every shipped model is made from data: which trainings, one after the other, and what then.

What is shipped grew in more trainings than these: each model in several runs, begun with whatever
was best then (their cards tell all of it). Here every design is trained once, for as many steps as
all its trainings took together, so that one command makes a model of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One training.

    Attributes:
        design: What is trained, see ``designs.DESIGNS``.
        steps: Length.
        rate: Highest learning rate; ``None``: that of the design.
        start: The stage whose weights it begins with; ``None``: random ones.
    """

    design: str
    steps: int
    rate: float | None = None
    start: str | None = None


@dataclass(frozen=True)
class Finish:
    """What is made of the last training.

    Attributes:
        calm: The stage between whose weights and those of the last one the model's are.
        share: Of the way from there.
        vivid: The last one, where the model is not named as it is.
        told_at_most: See ``Card``.
        leniency: See ``Card``.
        sibling: The model without its version that ``detail=`` moves towards.
    """

    calm: str | None = None
    share: float = 1.0
    vivid: str | None = None
    told_at_most: float | None = None
    leniency: float | None = None
    sibling: str | None = None


_STAGES = {
    stage.design: stage
    for stage in (
        Stage("deblock-fast", 83_900),
        Stage("deblock-balanced", 70_800),
        Stage("deblock-best", 61_900, start="deblock-balanced"),
        Stage("deblock-fast-textured", 3_700, start="deblock-fast"),
        Stage("deblock-balanced-textured", 3_100, start="deblock-balanced"),
        Stage("deblock-best-textured", 500, start="deblock-best"),
        Stage("superres-x2-fast", 28_000, 8e-4, "deblock-fast"),
        Stage("superres-x2-balanced", 47_500, 7e-4, "deblock-balanced"),
        Stage("superres-x2-balanced-textured", 600, start="superres-x2-balanced"),
        Stage("superres-x2-best", 61_900, 5e-4, "deblock-balanced"),
        Stage("superres-x2-detail", 2_500, start="superres-x2-best"),
        Stage("superres-x2-cleaning", 5_500, start="superres-x2-best"),
        Stage("superres-x2-real", 1_300, start="superres-x2-cleaning"),
        Stage("superres-x4-fast", 19_500, 8e-4, "superres-x2-fast"),
        Stage("superres-x4-balanced", 13_000, 7e-4, "superres-x2-balanced"),
        Stage("superres-x4-best", 28_000, 6e-4, "superres-x2-best"),
        Stage("superres-x4-detail", 1_800, start="superres-x4-best"),
        Stage("superres-x4-cleaning", 8_000, start="superres-x4-best"),
        Stage("superres-x4-real", 2_300, start="superres-x4-cleaning"),
        Stage("astf-fast", 8_160),
        Stage("astf-best", 8_600, 7e-4, "astf-fast"),
        Stage("quantiser", 10_000),
        Stage("quantiser-superres", 10_000),
    )
}

_FINISHES = {
    "deblock-fast": Finish("deblock-fast", 0.7, "deblock-fast-textured"),
    "deblock-balanced": Finish("deblock-balanced", 0.8, "deblock-balanced-textured"),
    "deblock-best": Finish("deblock-best", 0.22, "deblock-best-textured"),
    "superres-x2-balanced": Finish(
        "superres-x2-balanced", 0.6, "superres-x2-balanced-textured", sibling="superres-x2-detail"
    ),
    "superres-x2-best": Finish(
        "superres-x2-best", 0.075, "superres-x2-detail", sibling="superres-x2-detail"
    ),
    "superres-x4-balanced": Finish(sibling="superres-x4-detail"),
    "superres-x4-best": Finish(
        "superres-x4-best", 0.16, "superres-x4-detail", sibling="superres-x4-detail"
    ),
    "superres-x2-detail": Finish("superres-x2-best", 0.75, told_at_most=25.0),
    "superres-x2-real": Finish("superres-x2-best", 0.65),
    "superres-x4-detail": Finish("superres-x4-best", 0.8, told_at_most=25.0),
    "superres-x4-real": Finish("superres-x4-best", 0.65),
    "astf-fast": Finish(leniency=3.0),
    "astf-best": Finish(leniency=3.0),
}


def stages(model: str) -> list[Stage]:
    """Returns the trainings that make a model, in order.

    Args:
        model: A shipped model, with or without its version.

    Raises:
        ValueError: None is made under this name.

    Example:
        >>> from vsvqe.training.plans import stages
        >>> [stage.design for stage in stages("superres-x4-fast-v3")]
        ['deblock-fast', 'superres-x2-fast', 'superres-x4-fast']
    """
    name: str | None = finish(model).vivid or family(model)
    chain: list[Stage] = []
    while name is not None:
        chain.insert(0, _STAGES[name])
        name = chain[0].start
    return chain


def finish(model: str) -> Finish:
    """Returns what is made of the last of a model's trainings."""
    return _FINISHES.get(family(model), Finish())


def family(model: str) -> str:
    """Returns the name of a model without its version.

    Raises:
        ValueError: None is made under this name.
    """
    name = model.rpartition("-v")[0] if model.rpartition("-v")[2].isdigit() else model
    if name not in _STAGES:
        raise ValueError(f"no model {model!r} is made here; these are: {', '.join(_STAGES)}")
    return name
