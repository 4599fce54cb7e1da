"""Camera motion as a clip: tiny frames that carry it as props, measured or supplied.

The motion into a frame is computed once, however many windows it falls into: the core caches the
frames that carry it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..motion import mesh as meshes
from ..motion.estimate import Motion
from . import scenes
from .bundles import Near, bundled, with_near
from .carriers import carriers
from .clips import ClipFacts, grey, interlaced
from .nodes import uncached

MOTION = "_VQEMotion"
"""Prop: the 3x3 matrix, row by row; see ``motion.transform``."""
CONFIDENCE = "_VQEConfidence"
"""Prop: from 0 to 1."""
MESH = "_VQEMesh"
"""Prop, where the matrix does not say all: the mesh, row by row; see ``motion.mesh``."""
_STARTS_SCENE = "_SceneChangePrev"

WORKING_HEIGHT = 360

# No camera makes so little of a picture from one frame to the next.
_LEAST_AREA = 1e-3

type Estimate = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Motion]
"""Takes two pictures of equal size, returns the motion from the first to the second."""


def working(clip: vs.VideoNode, facts: ClipFacts) -> vs.VideoNode:
    """Returns what motion is measured on: 8-bit luma of at most 360 lines, with the same props.

    Args:
        clip: Any format that ``clips.checked`` lets pass.
        facts: Its colour facts.
    """
    height = min(clip.height, WORKING_HEIGHT)
    return grey(clip).resize.Bilinear(
        width=max(16, round(clip.width * height / clip.height)),
        height=height,
        format=vs.GRAY8,
        range_in=int(facts.full_range),
        range=int(facts.full_range),
        dither_type="none",
    )


def measured(
    small: vs.VideoNode,
    estimate: Estimate,
    *,
    reference: int | None,
    cut_threshold: float | None,
    name: str,
) -> vs.VideoNode:
    """Measures the motion into every frame.

    Args:
        small: From ``working``; ``scenes.stepped`` if cuts are to be respected.
        estimate: The measurement; called from the core's threads, several at a time.
        reference: The frame that the motion is measured from; ``None``: the previous one.
        cut_threshold: See ``scenes.is_cut``; ``None`` takes the clip for one scene.
        name: The filter, for error messages.

    Returns:
        A clip of tiny frames with the motion, its confidence, and ``_SceneChangePrev``.
    """
    total = small.num_frames
    carrier = carriers(total)
    others = [carrier] if reference is None else [carrier, uncached(small[reference] * total)]

    def measure(n: int, f: Sequence[vs.VideoFrame], near: Near) -> vs.VideoFrame:
        carrying = f[0].copy()
        _check(n, near[0], name)
        begins = _begins(n, total, near, cut_threshold)
        if reference is None and begins:
            motion = Motion(np.eye(3), 0.0)
        else:
            origin = near[-1] if reference is None else f[1]
            try:
                motion = estimate(np.asarray(origin[0]), np.asarray(near[0][0]))
            except Exception as error:
                raise vs.Error(f"{name}: frame {n}: {error}") from error
        _tell(carrying, motion, begins=begins)
        return carrying

    reach = scenes.REACH
    return with_near(carrier, bundled(small), reach, reach, measure, others=others)


def _tell(carrying: vs.VideoFrame, motion: Motion, *, begins: bool) -> None:
    """Writes a motion to the props of a frame, and whether a scene begins there."""
    carrying.props[MOTION] = motion.matrix.ravel().tolist()
    carrying.props[CONFIDENCE] = float(motion.confidence)
    if motion.mesh is not None:
        carrying.props[MESH] = motion.mesh.ravel().tolist()
    carrying.props[_STARTS_SCENE] = int(begins)


def _begins(n: int, total: int, near: Near, cut_threshold: float | None) -> bool:
    """Whether a scene begins at a frame."""
    if n == 0 or cut_threshold is None:
        return n == 0
    reach = range(max(-scenes.REACH, -n), min(scenes.REACH, total - 1 - n) + 1)
    return scenes.is_cut(
        near[-1].props,
        near[0].props,
        cut_threshold,
        lambda: scenes.largest_step(near[i] for i in reach if i),
    )


def _check(n: int, frame: vs.VideoFrame, name: str) -> None:
    """Refuses frames that turn out to be interlaced in the middle of a clip."""
    if frame.props.get("_FieldBased", 0):
        raise vs.Error(f"{name}: frame {n}: {interlaced()}")


def supplied(
    motion: object, small: vs.VideoNode, *, cut_threshold: float | None, name: str
) -> vs.VideoNode:
    """Takes motion that somebody else measured.

    Args:
        motion: What the user gave.
        small: The clip that it is for, as for ``measured``.
        cut_threshold: As for ``measured``; ``_SceneChangePrev`` of the motion's frames goes first.
        name: As for ``measured``.

    Returns:
        As ``measured``.

    Raises:
        ValueError: It is not a clip that carries a motion for every frame of the other.
    """
    if not isinstance(motion, vs.VideoNode):
        raise ValueError(
            f"motion must be a clip whose frames have the prop {MOTION}, not "
            f"{type(motion).__name__}"
        )
    total = small.num_frames
    if motion.num_frames != total:
        raise ValueError(
            f"motion has {motion.num_frames} frames and clip {total}; it must have one for every "
            "frame of the clip"
        )
    try:
        with motion.get_frame(0) as frame:
            props = dict(frame.props)
    except vs.Error as error:
        reason = (str(error).strip() or "no reason given").splitlines()[-1]
        raise ValueError(f"the first frame of motion can't be had: {reason}") from error
    _checked(props)
    carrier = carriers(total)
    told = carrier.std.CopyFrameProps(motion, props=[MOTION, CONFIDENCE, MESH, _STARTS_SCENE])

    def mark(n: int, f: Sequence[vs.VideoFrame], near: Near) -> vs.VideoFrame:
        carrying = f[0].copy()
        _check(n, near[0], name)
        try:
            given = _checked(carrying.props)
        except ValueError as error:
            raise vs.Error(f"{name}: frame {n}: {error}") from error
        if cut_threshold is not None and _STARTS_SCENE in carrying.props:
            begins = n == 0 or starts_scene(carrying.props)
        else:
            begins = _begins(n, total, near, cut_threshold)
        _tell(carrying, given, begins=begins)
        return carrying

    return with_near(told, bundled(small), scenes.REACH, scenes.REACH, mark, others=[told])


def motion_of(props: Mapping[str, Any]) -> Motion:
    """Returns the motion that a frame of ``measured`` or ``supplied`` carries."""
    mesh_told = meshes.from_numbers(props[MESH]) if MESH in props else None
    return Motion(np.array(props[MOTION]).reshape(3, 3), props[CONFIDENCE], mesh_told)


def _checked(props: Mapping[str, Any]) -> Motion:
    """Returns the motion that a frame from elsewhere carries.

    Raises:
        ValueError: It carries none, one that is not a homography, or a confidence or a mesh that
            is none.
    """
    values = props.get(MOTION)
    several = values if isinstance(values, list | tuple) else []
    numbers = [number for number in several if isinstance(number, int | float)]
    if len(numbers) != 9 or not all(map(math.isfinite, numbers)) or not numbers[8]:
        raise ValueError(
            f"the prop {MOTION} must hold the nine finite numbers of a 3x3 matrix, the last of "
            f"them not 0; here it is {values!r}"
        )
    matrix = np.array(numbers, np.float64).reshape(3, 3) / numbers[8]
    if abs(_determinant(*matrix.ravel().tolist())) < _LEAST_AREA:
        raise ValueError(f"the prop {MOTION} must not press the picture flat, as {values!r} does")
    confidence = props.get(CONFIDENCE, 1.0)
    if not isinstance(confidence, int | float) or math.isnan(confidence):
        raise ValueError(f"the prop {CONFIDENCE} must be one number, not {confidence!r}")
    return Motion(matrix, min(max(confidence, 0.0), 1.0), _mesh_of(props))


def _determinant(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float
) -> float:
    """Returns that of a 3x3 matrix; NumPy takes several times as long for a single one."""
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _mesh_of(props: Mapping[str, Any]) -> meshes.Mesh | None:
    if MESH not in props:
        return None
    try:
        return meshes.from_numbers(props[MESH])
    except (TypeError, ValueError) as error:
        raise ValueError(f"the prop {MESH} must hold a mesh: {error}") from error


def starts_scene(props: Mapping[str, Any]) -> bool:
    """Whether a frame with these props begins a scene."""
    return bool(props.get(_STARTS_SCENE, 0))
