"""``Stabilize``: steadies handheld video."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import vapoursynth as vs

from ..graph import chunks, memory, motions, scenes
from ..graph.clips import MIN_SIDE, ClipFacts, checked, facts, like, own_node
from ..graph.motions import CONFIDENCE, MOTION
from ..graph.windows import Props, over_windows
from ..motion import borders, estimate, path, warp
from ..motion.flow import FLOWS
from ..motion.transform import Matrix
from .options import errors_named, number

type Border = Literal["fill", "mirror", "replicate", "wrap", "crop", "zoom", "black"]

# Frames whose paths are computed together: what they share is read once.
_TOGETHER = 16
# The adaptive zoom changes by this part of itself a frame at most.
_ZOOM_RATE = 0.0025
# A motion less trusted than this does not say where a neighbour's picture belongs.
_LEAST_CONFIDENCE = 0.2
# Frames of the source are kept between the measurement and the warp, up to this size in total.
_KEPT_BYTES = 1 << 30

# Frame props within the graph.
_CORRECTION = "_VQECorrection"
_ZOOM = "_VQEZoom"
_LENDERS = "_VQELenders"
_LENT = "_VQELent"


def Stabilize(
    clip: vs.VideoNode,
    smoothing: int = 30,
    border: str = "fill",
    *,
    tripod: bool | int = False,
    flow: str = "lk",
    model: str = "similarity",
    method: str = "kalman",
    dxmax: float | None = None,
    dymax: float | None = None,
    rotmax: float = 10.0,
    zoommax: float = 1.2,
    motion: vs.VideoNode | None = None,
    mask: bool = False,
    sc: bool = True,
    sc_threshold: float = scenes.DEFAULT_THRESHOLD,
) -> vs.VideoNode | tuple[vs.VideoNode, vs.VideoNode]:
    """Steadies handheld video, in one pass and with random access.

    The motion of the camera into every frame is measured once, on the luma at 360 lines or fewer.
    Its path is smoothed over a window of frames around each (never across a scene cut), and every
    plane is resampled exactly once, at its own depth and chroma siting. A frame that need not
    move comes through bit for bit.

    Args:
        clip: As for ``Deblock``: GRAY, YUV or RGB; integer of 8 to 16 bits, half or single float;
            constant format and size, at least 16x16; progressive.
        smoothing: How long a movement must last, in frames, to be taken for intended; from 1.
            Longer is steadier and sees more frames ahead.
        border: What is seen where a moved frame has no picture: ``"fill"`` takes it from other
            frames of the scene and mirrors the rest; ``"mirror"``, ``"replicate"`` and ``"wrap"``
            make it up of the frame itself; ``"black"`` leaves it black; ``"zoom"`` enlarges just
            as much as needed, up to ``zoommax``, changing slowly, and mirrors what is missing
            then; ``"crop"`` cuts the clip to the largest rectangle that the limits below keep
            inside the frame, and is the only one that changes the size.
        tripod: ``True`` holds the picture still, as the first frame shows it; a number does so
            with the frame of that number. Frames that do not show the same are left alone.
        flow: How motion is found: ``"lk"`` (corners and pyramidal Lucas-Kanade), ``"dis"`` or
            ``"farneback"`` (dense flow).
        model: What motion may be: ``"translation"``, ``"similarity"`` (and rotation and scale),
            ``"affine"`` or ``"homography"``; a simpler one is taken where it explains as much.
        method: How the path is smoothed: ``"kalman"`` (constant-velocity Kalman filter with the
            Rauch-Tung-Striebel backward pass), ``"gaussian"`` or ``"l1"`` (piecewise at rest, at
            constant speed or acceleration).
        dxmax: The most that a frame is moved sideways, in pixels; ``None``: 15 % of the height.
        dymax: The most that it is moved up or down, in pixels; ``None``: 15 % of the height.
        rotmax: The most that it is turned, in degrees.
        zoommax: The most that it is enlarged or reduced, a factor.
        motion: A clip of the same length whose frames carry motion measured elsewhere:
            ``_VQEMotion``, nine numbers, the 3x3 homography row by row that maps a point of the
            previous frame to its place in this one (origin in the middle, x to the right, y down,
            in heights of the frame), and, if known, ``_VQEConfidence`` (0 to 1) and
            ``_SceneChangePrev``. What this filter returns is such a clip.
        mask: Whether to return a second clip too: grey, at the depth of the first, white where the
            picture is not of the frame itself.
        sc: Whether windows end at scene cuts. ``_SceneChangePrev`` and ``_SceneChangeNext``
            decide where frames have them, a detector of our own elsewhere.
        sc_threshold: Of that detector; see ``Deblock``.

    Returns:
        A clip of the same format, length, frame rate, props and, but for ``border="crop"``, size,
        with the props ``_VQEMotion`` and ``_VQEConfidence``; with ``mask=True`` a pair of it and
        the mask.

    Raises:
        vapoursynth.Error: An argument or the clip can't be used; the text says what was given,
            what is accepted and what to do.

    Source:
        Rauch, Tung, Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA
        Journal 3(8), 1965; Grundmann, Kwatra, Essa, "Auto-directed video stabilization with
        robust L1 optimal camera paths", CVPR 2011.

    Example:
        >>> import vapoursynth as vs
        >>> import vsvqe as vqe
        >>> clip = vs.core.bs.VideoSource("handheld.mp4")  # doctest: +SKIP
        >>> vqe.Stabilize(clip).set_output()  # doctest: +SKIP
    """
    with errors_named("Stabilize"):
        clip = checked(clip)
        if max(clip.width, clip.height) > _LONGEST_SIDE:
            raise ValueError(
                f"clip is {clip.width}x{clip.height}; sides up to {_LONGEST_SIDE} are taken"
            )
        _one_of("border", border, get_args(Border.__value__))
        settings = estimate.MotionSettings(
            flow=_one_of("flow", flow, FLOWS),
            model=_one_of("model", model, estimate.MODELS),
        )
        limits = path.PathSettings(
            method=_one_of("method", method, path.METHODS),
            smoothing=_whole("smoothing", smoothing, 1, _LONGEST_SMOOTHING),
            dxmax=_shift("dxmax", dxmax, clip.height),
            dymax=_shift("dymax", dymax, clip.height),
            rotmax=math.radians(number("rotmax", rotmax, 0.0, 90.0)),
            zoommax=number("zoommax", zoommax, 1.0, 4.0),
        )
        reference = _reference(tripod, clip.num_frames)
        cut_threshold = _cut_threshold(sc, sc_threshold)
        if not isinstance(mask, bool | int):
            raise ValueError(f"mask={mask!r} must be True or False")
        if motion is not None and reference is not None:
            raise ValueError(
                "tripod measures the motion from its frame, and motion= brings that from frame to "
                "frame; leave out one of the two"
            )
        part = _crop(clip, limits) if border == "crop" else (1.0, 1.0)
        clip_facts = facts(clip)
        held = own_node(clip)
        if motion is None:
            tracked = _measured(held, clip_facts, settings, reference, cut_threshold)
        else:
            tracked = motions.supplied(motion, clip)
        plan = _Plan(aspect=clip.width / clip.height, border=border, limits=limits, part=part)
        corrected = plan.corrected(tracked, tripod=reference is not None)
        ahead = 2 * (_TOGETHER + plan.radius) + borders.FILL_RADIUS
        held.std.SetVideoCache(mode=1, fixedsize=1, maxsize=_kept(clip, ahead))
        result = _rendered(held, corrected, _layout(clip, clip_facts), border)
        result = result.std.CopyFrameProps(held)
        result = result.std.CopyFrameProps(corrected, props=[MOTION, CONFIDENCE])
        if not mask:
            return _cropped(result, part)
        return _cropped(result, part), _cropped(_mask(clip, clip_facts, corrected), part)


# OpenCV addresses pixels by 16-bit numbers.
_LONGEST_SIDE = 32766
_LONGEST_SMOOTHING = 1000


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How corrections are found from motion."""

    aspect: float
    """Width over height of the frame."""
    border: str
    limits: path.PathSettings
    part: tuple[float, float]
    """Width and height of what is shown, as parts of the frame's."""

    @property
    def radius(self) -> int:
        """Frames on each side of a frame that its correction depends on."""
        return max(path.radius(self.limits), borders.FILL_RADIUS)

    @property
    def zoom_radius(self) -> int:
        """Frames on each side of a frame that its zoom depends on."""
        return math.ceil(math.log(self.limits.zoommax) / _ZOOM_RATE)

    def corrected(self, tracked: vs.VideoNode, *, tripod: bool) -> vs.VideoNode:
        """Returns the clip of motions with the correction of every frame in its props."""
        compute = self._from_reference if tripod else self._along_path
        corrected = over_windows(
            tracked,
            self.radius,
            _TOGETHER,
            motions.motion_of,
            compute,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )
        if self.border != "zoom":
            corrected.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * _TOGETHER)
            return corrected
        return over_windows(
            own_node(corrected),
            self.zoom_radius,
            _TOGETHER,
            _correction_and_zoom,
            self._with_zoom,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )

    def _along_path(self, window: Sequence[estimate.Motion], centre: int) -> Props:
        moves = window[1:]
        reach = path.radius(self.limits)
        first = max(0, centre - reach)
        correction = path.correction(moves[first : centre + reach], centre - first, self.limits)
        return self._described(correction, moves, centre)

    def _from_reference(self, places: Sequence[estimate.Motion], centre: int) -> Props:
        """Takes motions from a common frame: each is its frame's correction."""
        moves = [
            estimate.Motion(
                after.matrix @ np.linalg.inv(before.matrix),
                min(before.confidence, after.confidence),
            )
            for before, after in pairwise(places)
        ]
        into = moves[centre - 1] if centre else estimate.Motion(np.eye(3), 0.0)
        return {
            MOTION: into.matrix.ravel().tolist(),
            CONFIDENCE: into.confidence,
            **self._described(places[centre].matrix, moves, centre),
        }

    def _described(
        self, correction: Matrix, moves: Sequence[estimate.Motion], centre: int
    ) -> dict[str, Any]:
        """Returns a correction as props, with what its border needs."""
        if self.border == "crop":
            # Whatever the model of the motion: nothing from beyond the edge is shown.
            needed = borders.zoom_needed(correction, self.aspect, self.part)
            correction = borders.zoomed(correction, needed) if needed < math.inf else np.eye(3)
        props: dict[str, Any] = {_CORRECTION: correction.ravel().tolist()}
        missing = borders.zoom_needed(correction, self.aspect)
        if self.border == "zoom":
            props[_ZOOM] = min(missing, self.limits.zoommax)
        if self.border == "fill" and missing > 1.0:
            chain = _chain(moves, centre)
            lenders = borders.lenders(correction, chain, self.aspect)
            if lenders:
                props[_LENDERS] = lenders
                lent = [chain[distance] @ correction for distance in lenders]
                props[_LENT] = np.concatenate(lent, axis=None).tolist()
        return props

    def _with_zoom(self, window: Sequence[tuple[Matrix, float]], centre: int) -> Props:
        """Enlarges as much as any frame around needs, less for those further away."""
        logarithm = max(
            math.log(zoom) - _ZOOM_RATE * abs(i - centre) for i, (_, zoom) in enumerate(window)
        )
        correction = borders.zoomed(window[centre][0], math.exp(logarithm))
        return {_CORRECTION: correction.ravel().tolist()}


def _correction_and_zoom(props: Props) -> tuple[Matrix, float]:
    return _matrix(props[_CORRECTION]), float(props[_ZOOM])


def _measured(
    held: vs.VideoNode,
    clip_facts: ClipFacts,
    settings: estimate.MotionSettings,
    reference: int | None,
    cut_threshold: float | None,
) -> vs.VideoNode:
    small = scenes.annotated(motions.working(held, clip_facts), detect=cut_threshold is not None)
    small.std.SetVideoCache(mode=1, fixedsize=1, maxsize=64)
    return motions.measured(
        small,
        partial(estimate.estimate, settings=settings),
        reference=reference,
        cut_threshold=cut_threshold,
        name="Stabilize",
    )


def _chain(moves: Sequence[estimate.Motion], centre: int) -> dict[int, Matrix]:
    """Returns the motion from a frame to neighbours, as far as it can be followed."""
    chain: dict[int, Matrix] = {}
    motion = np.eye(3)
    for distance, move in enumerate(moves[centre : centre + borders.FILL_RADIUS], 1):
        if move.confidence < _LEAST_CONFIDENCE:
            break
        motion = move.matrix @ motion
        chain[distance] = motion
    motion = np.eye(3)
    for distance, move in enumerate(moves[:centre][: -borders.FILL_RADIUS - 1 : -1], 1):
        if move.confidence < _LEAST_CONFIDENCE:
            break
        motion = motion @ move.matrix
        chain[-distance] = np.linalg.inv(motion)
    wanted = [sign * distance for distance in _LOOKED_AT for sign in (1, -1)]
    return {distance: chain[distance] for distance in wanted if distance in chain}


# Frames further away differ less from one to the next.
_LOOKED_AT = (1, 2, 3, 4, 6, 8, 12, 16, 20, borders.FILL_RADIUS)


def _rendered(
    held: vs.VideoNode, corrected: vs.VideoNode, layout: borders.Layout, border: str
) -> vs.VideoNode:
    """Returns the clip with every frame moved as its correction says."""
    edge: warp.Edge = border if border in _EDGES else "mirror"  # type: ignore[assignment]
    shifted = {0: held} | {
        distance: _shifted(held, distance)
        for distance in (sign * away for away in _LOOKED_AT for sign in (1, -1))
        if border == "fill"
    }

    def render(
        corrections: Sequence[Matrix], n: int, f: vs.VideoFrame | Sequence[vs.VideoFrame]
    ) -> vs.VideoFrame:
        frames = [f] if isinstance(f, vs.VideoFrame) else f
        layers = [
            borders.Layer([np.asarray(frame[p]) for p in range(frame.format.num_planes)], matrix)
            for frame, matrix in zip(frames, corrections, strict=True)
        ]
        result = vs.core.create_video_frame(held.format, held.width, held.height)
        out = [np.asarray(result[p]) for p in range(held.format.num_planes)]
        try:
            if len(layers) == 1:
                borders.warped(layers[0], layout, out, edge)
            else:
                borders.filled(layers[0], layers[1:], layout, out)
        except Exception as error:
            raise vs.Error(f"Stabilize: frame {n}: {error}") from error
        memory.produced(sum(plane.nbytes for plane in out))
        return result

    def choose(n: int, f: vs.VideoFrame) -> vs.VideoNode:
        correction = _matrix(f.props[_CORRECTION])
        if not warp.moves(correction, held.width, held.height):
            return held
        distances = _listed(f.props.get(_LENDERS, []))
        lent = np.reshape(_listed(f.props.get(_LENT, [])), (-1, 3, 3))
        sources = [shifted[distance] for distance in (0, *distances)]
        return held.std.ModifyFrame(sources, partial(render, [correction, *lent]))

    return held.std.FrameEval(choose, prop_src=corrected, clip_src=list(shifted.values()))


_EDGES = get_args(warp.Edge.__value__)


def _mask(clip: vs.VideoNode, clip_facts: ClipFacts, corrected: vs.VideoNode) -> vs.VideoNode:
    """Returns the clip that is white where the picture is not of the frame itself."""
    layout = _layout(clip, clip_facts)
    format = like(clip.format, color_family=vs.GRAY, subsampling_w=0, subsampling_h=0)
    white = 1.0 if math.isinf(layout.peak) else layout.peak
    blank = vs.core.std.BlankClip(
        clip, format=format.id, color=0.0 if format.sample_type == vs.FLOAT else 0, keep=True
    ).std.SetFrameProps(_Range=vs.RANGE_FULL)

    def draw(n: int, f: Sequence[vs.VideoFrame]) -> vs.VideoFrame:
        correction = _matrix(f[1].props[_CORRECTION])
        if not warp.moves(correction, clip.width, clip.height):
            return f[0]
        result = f[0].copy()
        outside = np.empty((clip.height, clip.width), np.bool_)
        borders.invented(correction, layout, outside)
        np.asarray(result[0])[outside] = white
        return result

    return blank.std.ModifyFrame([blank, corrected], draw)


def _layout(clip: vs.VideoNode, clip_facts: ClipFacts) -> borders.Layout:
    format = clip.format
    planes = range(format.num_planes)
    floating = format.sample_type == vs.FLOAT
    unit = 1 << (format.bits_per_sample - 8) if not floating else 0
    black = 0 if clip_facts.full_range else 16 * unit
    middle = 128 * unit
    chroma = [plane > 0 and format.color_family == vs.YUV for plane in planes]
    return borders.Layout(
        width=clip.width,
        height=clip.height,
        sitings=tuple(_siting(format, clip_facts) if c else warp.Siting() for c in chroma),
        blacks=tuple(float(middle if c else black) for c in chroma),
        peak=math.inf if floating else (1 << format.bits_per_sample) - 1,
    )


def _siting(format: vs.VideoFormat, clip_facts: ClipFacts) -> warp.Siting:
    """Returns where the chroma samples of a YUV format lie."""
    step_x, step_y = 1 << format.subsampling_w, 1 << format.subsampling_h
    location = clip_facts.chroma_location
    left = location in (vs.CHROMA_LEFT, vs.CHROMA_TOP_LEFT, vs.CHROMA_BOTTOM_LEFT)
    top = location in (vs.CHROMA_TOP_LEFT, vs.CHROMA_TOP)
    bottom = location in (vs.CHROMA_BOTTOM_LEFT, vs.CHROMA_BOTTOM)
    middle_x, middle_y = (step_x - 1) / 2, (step_y - 1) / 2
    return warp.Siting(
        step_x,
        step_y,
        0.0 if left else middle_x,
        0.0 if top else (step_y - 1.0 if bottom else middle_y),
    )


def _crop(clip: vs.VideoNode, limits: path.PathSettings) -> tuple[float, float]:
    """Returns the width and height of what ``border="crop"`` leaves, as parts of the frame's."""
    aspect = clip.width / clip.height
    parts = borders.guaranteed(aspect, limits.dxmax, limits.dymax, limits.rotmax, limits.zoommax)
    sides = []
    for side, part, subsampling in zip(
        (clip.width, clip.height),
        parts,
        (clip.format.subsampling_w, clip.format.subsampling_h),
        strict=True,
    ):
        # As much is cut off on either side, in whole samples of the chroma.
        step = 2 << subsampling
        sides.append(side - step * math.ceil((1 - part) * side / step))
    if min(sides) < MIN_SIDE:
        raise ValueError(
            f"border='crop' would leave {sides[0]}x{sides[1]} of {clip.width}x{clip.height}; make "
            "dxmax, dymax, rotmax and zoommax smaller, or choose another border"
        )
    return sides[0] / clip.width, sides[1] / clip.height


def _cropped(clip: vs.VideoNode, part: tuple[float, float]) -> vs.VideoNode:
    width, height = (
        round(side * of) for side, of in zip((clip.width, clip.height), part, strict=True)
    )
    if (width, height) == (clip.width, clip.height):
        return clip
    return clip.std.CropAbs(
        width=width, height=height, left=(clip.width - width) // 2, top=(clip.height - height) // 2
    )


def _shifted(clip: vs.VideoNode, distance: int) -> vs.VideoNode:
    """Returns the clip with frame n + distance in the place of frame n."""
    total = clip.num_frames
    distance = max(1 - total, min(total - 1, distance))
    if distance < 0:
        return chunks.uncached(clip[0] * -distance + clip)
    return chunks.uncached(clip[distance:] + clip[-1] * distance) if distance else clip


def _kept(clip: vs.VideoNode, wanted: int) -> int:
    """Returns how many frames of a clip to keep."""
    format = clip.format
    chroma = (format.num_planes - 1) / (1 << format.subsampling_w << format.subsampling_h)
    size = clip.width * clip.height * format.bytes_per_sample * (1 + chroma)
    return max(8, min(wanted, int(_KEPT_BYTES / size)))


def _matrix(values: Sequence[float]) -> Matrix:
    return np.reshape(np.asarray(values, np.float64), (3, 3))


def _listed(values: Any) -> list[Any]:
    """Returns the values of a prop: the core gives a single one as itself."""
    return list(values) if isinstance(values, Sequence) else [values]


def _one_of[T](name: str, value: object, choices: Sequence[T]) -> T:
    """Returns a value that is one of several.

    Raises:
        ValueError: It is not.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}={value!r} must be a whole number from {least} to {most}")
    return value


def _shift(name: str, value: float | None, height: int) -> float:
    """Returns a limit in heights of the frame."""
    return 0.15 if value is None else number(name, value, 0.0) / height


def _reference(tripod: object, length: int) -> int | None:
    if isinstance(tripod, bool):
        return 0 if tripod else None
    if not isinstance(tripod, int) or not 0 <= tripod < length:
        raise ValueError(
            f"tripod={tripod!r} must be True, False or the number of a frame, 0 to {length - 1}"
        )
    return tripod


def _cut_threshold(sc: object, sc_threshold: float) -> float | None:
    if not isinstance(sc, bool | int):
        raise ValueError(f"sc={sc!r} must be True or False")
    threshold = number("sc_threshold", sc_threshold, 0.0, 1.0)
    return threshold if sc else None
