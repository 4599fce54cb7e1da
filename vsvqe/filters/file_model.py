"""Models of the user's own, of whatever kind: a clip in, the model's picture of it out."""

import vapoursynth as vs

from ..cards import ModelFile
from ..graph.clips import ClipFacts
from ..inference.probe import ImageModel, SequenceModel
from .options import Options, number
from .picture import picture
from .sequence import sequence

# Of the 255 codes that a picture can differ by.
_MOST_REFINE = 255.0


def by_file(
    clip: vs.VideoNode,
    facts: ClipFacts,
    model: ModelFile,
    kind: ImageModel | SequenceModel,
    options: Options,
    *,
    name: str,
    refine: float | None = None,
) -> vs.VideoNode:
    """Runs a model on every frame, or over runs of frames, as its kind demands.

    Args:
        clip: From ``clips.checked``.
        facts: Its colour facts.
        model: The file.
        kind: What ``probe`` found in it.
        options: Checked common parameters.
        name: The filter, for error messages.
        refine: From ``checked_refine``.

    Returns:
        A clip in the format of ``clip``, the model's scale times as large.
    """
    if isinstance(kind, SequenceModel):
        return sequence(clip, facts, model, kind, options, refine=refine, name=name)
    return picture(clip, facts, model, kind, options, name=name)


def checked_refine(
    refine: object, kind: ImageModel | SequenceModel | None, model: str
) -> float | None:
    """Returns the threshold of RealBasicVSR's dynamic refinement, if there is one.

    Args:
        refine: As the user gave it.
        kind: What ``probe`` found in the model's file; ``None`` for shipped models.
        model: As the user gave it.

    Raises:
        ValueError: It is not a number from 0 to 255, or the model does not clean.
    """
    if refine is None:
        return None
    if not isinstance(kind, SequenceModel) or not kind.refines:
        raise ValueError(
            f"refine={refine!r} is for RealBasicVSR checkpoints, which clean the picture first; "
            f"{model!r} does not: leave it out"
        )
    return number("refine", refine, 0.0, _MOST_REFINE)
