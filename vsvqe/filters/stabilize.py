"""``Stabilize``: steadies handheld video."""

import math
from functools import partial
from typing import Literal, get_args

import vapoursynth as vs

from ..graph import motions, scenes
from ..graph.clips import MIN_SIDE, checked, facts
from ..graph.motions import CONFIDENCE, MESH, MOTION
from ..graph.nodes import own_node
from ..motion import borders, estimate, path, warp
from ..motion.flow import FLOWS
from .corrections import CorrectionPlan
from .options import errors_named, number, one_of, whole
from .rendering import cropped, layout_of, masked, rendered

type Border = Literal["fill", "mirror", "replicate", "wrap", "crop", "zoom", "black"]

# Frames of the source are kept between the measurement and the warp: this part of what the core may
# have for its caches, at most.
_KEPT_PART = 0.25
# Of frames of up to so many bytes, the paths of so many are computed together; of larger ones
# fewer, because more of them would be kept.
_SMALL_BYTES, _SMALL_TOGETHER, _LARGE_TOGETHER = 4 << 20, 32, 8
# Shifts in heights of the frame, degrees, and a factor.
_LIMITS = {"dxmax": 0.25, "dymax": 0.25, "rotmax": 12.0, "zoommax": 1.2}
# What a crop has to leave room for.
_CROP_LIMITS = {"dxmax": 0.08, "dymax": 0.08, "rotmax": 3.0, "zoommax": 1.05}


def Stabilize(
    clip: vs.VideoNode,
    smoothing: int = 30,
    border: str = "fill",
    *,
    tripod: bool | int = False,
    flow: str = "lk",
    model: str = "homography",
    method: str = "kalman",
    kernel: str = "bicubic",
    dxmax: float | None = None,
    dymax: float | None = None,
    rotmax: float | None = None,
    zoommax: float | None = None,
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
            ``"affine"`` (and shear), ``"homography"`` (and perspective), ``"rolling"`` (affine,
            and what rows that are read out one after the other add to it: the wobble of rolling
            shutters) or ``"mesh"`` (a homography, and how far a grid of 7x5 points is off it:
            scenes with near and far things). A simpler one is taken where it explains as much.
        method: How the path is smoothed: ``"kalman"`` (constant-velocity Kalman filter with the
            Rauch-Tung-Striebel backward pass), ``"gaussian"`` or ``"l1"`` (piecewise at rest, at
            constant speed or acceleration).
        kernel: What planes are resampled by: ``"bicubic"`` (Keys, a = -0.75) or ``"lanczos"`` (four
            lobes; slower).
        dxmax: The most that a frame is moved sideways, in pixels; ``None``: a quarter of the
            height, or 8 % of it with ``border="crop"``.
        dymax: The most that it is moved up or down, in pixels; ``None``: the same.
        rotmax: The most that it is turned, in degrees; ``None``: 12, or 3 with ``border="crop"``.
        zoommax: The most that it is enlarged or reduced, a factor; ``None``: 1.2, or 1.05 with
            ``border="crop"``.
        motion: A clip of the same length whose frames carry motion measured elsewhere:
            ``_VQEMotion``, nine numbers, the 3x3 homography row by row that maps a point of the
            previous frame to its place in this one (origin in the middle, x to the right, y down,
            in heights of the frame), and, if known, ``_VQEConfidence`` (0 to 1), ``_VQEMesh`` (70
            numbers: how far, right and down, 5 rows of 7 points from edge to edge are off that
            place) and ``_SceneChangePrev``. What this filter returns is such a clip.
        mask: Whether to return a second clip too: grey, at the depth of the first, white where the
            picture is not, or not wholly, of the frame itself.
        sc: Whether windows end at scene cuts. ``_SceneChangePrev`` and ``_SceneChangeNext``
            decide where frames have them, a detector of our own elsewhere.
        sc_threshold: Of that detector; see ``Deblock``.

    Returns:
        A clip of the same format, length, frame rate, props and, but for ``border="crop"``, size,
        with the props ``_VQEMotion`` and ``_VQEConfidence``, and ``_VQEMesh`` where there is one;
        with ``mask=True`` a pair of it and the mask.

    Raises:
        vapoursynth.Error: An argument or the clip can't be used; the text says what was given,
            what is accepted and what to do.

    Source:
        Rauch, Tung, Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA
        Journal 3(8), 1965; Grundmann, Kwatra, Essa, "Auto-directed video stabilization with
        robust L1 optimal camera paths", CVPR 2011; Liu, Tan, Yuan, Sun, Zeng, "MeshFlow: minimum
        latency online video stabilization", ECCV 2016; Baker, Bennett, Kang, Szeliski, "Removing
        rolling shutter wobble", CVPR 2010.

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
        one_of("border", border, get_args(Border.__value__))
        chosen_kernel: warp.Kernel = one_of("kernel", kernel, get_args(warp.Kernel.__value__))
        settings = estimate.MotionSettings(
            flow=one_of("flow", flow, FLOWS),
            model=one_of("model", model, estimate.MODELS),
        )
        usual = _CROP_LIMITS if border == "crop" else _LIMITS
        limits = path.PathSettings(
            method=one_of("method", method, path.METHODS),
            smoothing=whole("smoothing", smoothing, 1, _LONGEST_SMOOTHING),
            dxmax=_limit("dxmax", dxmax, usual["dxmax"] * clip.height, 0.0) / clip.height,
            dymax=_limit("dymax", dymax, usual["dymax"] * clip.height, 0.0) / clip.height,
            rotmax=math.radians(_limit("rotmax", rotmax, usual["rotmax"], 0.0, 90.0)),
            zoommax=_limit("zoommax", zoommax, usual["zoommax"], 1.0, 4.0),
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
        small = scenes.stepped(motions.working(held, clip_facts), detect=bool(sc))
        small.std.SetVideoCache(mode=1, fixedsize=1, maxsize=64)
        if motion is None:
            tracked = motions.measured(
                small,
                partial(estimate.estimate, settings=settings),
                reference=reference,
                cut_threshold=cut_threshold,
                name="Stabilize",
            )
        else:
            tracked = motions.supplied(motion, small, cut_threshold=cut_threshold, name="Stabilize")
        plan = CorrectionPlan(
            aspect=clip.width / clip.height,
            border=border,
            limits=limits,
            part=part,
            together=_SMALL_TOGETHER if _bytes(clip) <= _SMALL_BYTES else _LARGE_TOGETHER,
        )
        corrected = plan.corrected(tracked, tripod=reference is not None)
        # A frame is asked for when it is measured, and when it is bundled with those near it. What
        # has been bundled since is in the cache, too.
        wanted = 2 * plan.lead + vs.core.num_threads
        held.std.SetVideoCache(mode=1, fixedsize=1, maxsize=_kept(clip, wanted))
        layout = layout_of(clip, clip_facts)
        result = rendered(held, corrected, layout, border, chosen_kernel)
        result = result.std.CopyFrameProps(corrected, props=[MOTION, CONFIDENCE, MESH])
        if not mask:
            return cropped(result, part)
        return cropped(result, part), cropped(masked(clip, clip_facts, corrected), part)


# OpenCV addresses pixels by 16-bit numbers.
_LONGEST_SIDE = 32766
_LONGEST_SMOOTHING = 300


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


def _kept(clip: vs.VideoNode, wanted: int) -> int:
    """Returns how many frames of a clip to keep."""
    most = _KEPT_PART * vs.core.max_cache_size * 2**20
    return max(8, min(wanted, int(most / _bytes(clip))))


def _bytes(clip: vs.VideoNode) -> float:
    """Returns the size of a frame."""
    format = clip.format
    chroma = (format.num_planes - 1) / (1 << format.subsampling_w << format.subsampling_h)
    return float(clip.width * clip.height * format.bytes_per_sample * (1 + chroma))


def _limit(
    name: str, value: float | None, usual: float, least: float, most: float = math.inf
) -> float:
    return usual if value is None else number(name, value, least, most)


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
