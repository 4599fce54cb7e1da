"""What a clip must be to come in, and what has to be known of it."""

import math
from dataclasses import dataclass

import vapoursynth as vs

from .nodes import shared

MIN_SIDE = 16
# Of a side of 4:1:0 and 4:1:1, in powers of two; the resizer knows no more.
_MOST_SUBSAMPLED = 2


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """Colour facts of a clip, read from its first frame and completed with the usual defaults."""

    full_range: bool
    """Whether integer samples use the whole range of codes."""
    matrix: int
    """A matrix that the resizer can convert (``vs.MATRIX_*``); 0 for RGB."""
    chroma_location: int
    """``vs.CHROMA_*``; left where the clip does not say."""


def checked(clip: object) -> vs.VideoNode:
    """Returns the clip in host memory if the filters can take it.

    Raises:
        ValueError: It is not a clip, or not of a kind that can be filtered; says what to do.
    """
    if isinstance(clip, vs.AudioNode):
        raise ValueError("clip is an audio node; a video clip is needed")
    if isinstance(clip, vs.VideoOutputTuple):
        raise ValueError("clip is what get_output() gives; hand over its .clip")
    if not isinstance(clip, vs.VideoNode):
        raise ValueError(f"clip must be a video clip (vs.VideoNode), not {type(clip).__name__}")
    undefined = clip.format is None or clip.format.color_family == vs.UNDEFINED
    if undefined or not clip.width or not clip.height:
        raise ValueError(
            "clip changes its format or size from frame to frame; convert it to one, for example "
            "with clip.resize.Bicubic(width=..., height=..., format=vs.YUV420P8)"
        )
    subsampling = max(clip.format.subsampling_w, clip.format.subsampling_h)
    if subsampling > _MOST_SUBSAMPLED:
        raise ValueError(
            f"clip has one chroma sample for {1 << subsampling} pixels; up to "
            f"{1 << _MOST_SUBSAMPLED} are taken: convert it with clip.resize.Bicubic(format=...)"
        )
    bits = clip.format.bits_per_sample
    if clip.format.sample_type == vs.INTEGER and bits > 16:
        raise ValueError(
            f"clip is {clip.format.name}; integer formats of 8 to 16 bits and half and single "
            "float are taken: convert it with clip.resize.Point(format=...)"
        )
    if min(clip.width, clip.height) < MIN_SIDE:
        raise ValueError(
            f"clip is {clip.width}x{clip.height}; it must be at least {MIN_SIDE}x{MIN_SIDE}"
        )
    if getattr(clip, "gpu_resident", False):
        clip = clip.std.GPUDownload()
    return clip


def facts(clip: vs.VideoNode) -> ClipFacts:
    """Reads range, matrix and chroma location from the first frame.

    Missing facts are guessed as everywhere in the field: limited range for YUV and grey, full
    for RGB; BT.601 up to standard definition and BT.709 above; chroma to the left.

    Raises:
        ValueError: The first frame can't be had, or is interlaced.
    """
    try:
        with clip.get_frame(0) as frame:
            props = dict(frame.props)
    except vs.Error as error:
        # An error in a Python callback is a traceback, and its last line says what it was.
        reason = (str(error).strip() or "no reason given").splitlines()[-1]
        raise ValueError(f"the first frame of clip can't be had: {reason}") from error
    if props.get("_FieldBased", 0):
        raise interlaced()
    rgb = clip.format.color_family == vs.RGB
    full = props.get("_Range", {0: 1, 1: 0}.get(props.get("_ColorRange", -1)))
    return ClipFacts(
        full_range=bool(full) if full is not None else rgb,
        matrix=0 if rgb else _matrix(props.get("_Matrix"), clip.width, clip.height),
        chroma_location=_chroma_location(props.get("_ChromaLocation")),
    )


def interlaced() -> ValueError:
    """Returns the error about interlaced frames."""
    return ValueError(
        "clip is interlaced (_FieldBased is set); deinterlace it first (bwdif, QTGMC), or, if it "
        "is progressive after all, say so with clip.std.SetFieldBased(0)"
    )


# The resizer converts these without knowing more than the matrix.
_CONVERTIBLE = {
    int(matrix)
    for matrix in (
        vs.MATRIX_BT709,
        vs.MATRIX_FCC,
        vs.MATRIX_BT470_BG,
        vs.MATRIX_ST170_M,
        vs.MATRIX_ST240_M,
        vs.MATRIX_YCGCO,
        vs.MATRIX_BT2020_NCL,
    )
}


def _matrix(value: object, width: int, height: int) -> int:
    if isinstance(value, int) and value in _CONVERTIBLE:
        return int(value)
    if value in (None, int(vs.MATRIX_UNSPECIFIED)):
        standard_definition = width <= 1024 and height <= 576
        return int(vs.MATRIX_ST170_M if standard_definition else vs.MATRIX_BT709)
    # Constant luminance, ICtCp and the chromaticity-derived ones want a transfer function too. The
    # way to RGB and back with one and the same matrix loses nothing; only the model sees colours
    # that are a little off.
    return int(vs.MATRIX_BT2020_NCL)


def _chroma_location(value: object) -> int:
    known = isinstance(value, int) and 0 <= value <= 5
    return int(value) if known else int(vs.CHROMA_LEFT)  # type: ignore[call-overload]


def bare(clip: vs.VideoNode) -> vs.VideoNode:
    """Takes off what frames say of their colours: conversions here say all they need themselves.

    So a prop that the resizer does not know, or that fits another colour family, can't stop it.
    """
    return clip.std.RemoveFrameProps(
        [
            "_Matrix",
            "_Transfer",
            "_Primaries",
            "_Range",
            "_ColorRange",
            "_ChromaLocation",
            "_FieldBased",
        ]
    )


def grey(clip: vs.VideoNode) -> vs.VideoNode:
    """Returns the luma, or of RGB the green: it carries most of the luma, and needs no matrix."""
    plane = 1 if clip.format.color_family == vs.RGB else 0
    return bare(clip.std.ShufflePlanes(plane, vs.GRAY))


def padded_to_even(clip: vs.VideoNode) -> vs.VideoNode:
    """Repeats the last column and row of a clip of odd width or height."""
    if clip.width % 2:
        clip = shared(clip)
        clip = vs.core.std.StackHorizontal(
            [clip, clip.std.Crop(left=clip.width - 1)],
        )
    if clip.height % 2:
        clip = shared(clip)
        clip = vs.core.std.StackVertical([clip, clip.std.Crop(top=clip.height - 1)])
    return clip


def like(format: vs.VideoFormat, **changes: int) -> vs.VideoFormat:
    """Returns a format that differs from another in the named fields only."""
    return vs.core.query_video_format(
        changes.get("color_family", format.color_family),
        changes.get("sample_type", format.sample_type),
        changes.get("bits_per_sample", format.bits_per_sample),
        changes.get("subsampling_w", format.subsampling_w),
        changes.get("subsampling_h", format.subsampling_h),
    )


def pixels_to_length(width: int, height: int, most: int = 8) -> int:
    """Returns how many frames of a size make a chunk of about two megapixels, at least one."""
    return max(1, min(most, math.floor(2**21 / (width * height))))
