"""Encoders: their settings, what they are told of colours, and the frames that they get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import vapoursynth as vs

from .errors import EncoderError

GRID = 250
"""Frames of a segment: the usual distance of key frames, so that a cut costs next to nothing."""

_DEFAULT_CRF = {"libx264": "18", "libx265": "18", "libsvtav1": "25", "libvpx-vp9": "25"}

# Encoders that take mastering display and content light as parameters, and what these are called.
_HDR_PARAMETERS = {
    "libx264": ("x264-params", "mastering-display", "cll", 1),
    "libx265": ("x265-params", "master-display", "max-cll", 1),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light", 0),
}
_QUIET = {"libx265": ("x265-params", "log-level=error")}

# x264's AVX-512 code decides otherwise from run to run (macroblock tree with B-frames); up to
# AVX2 it does not, and gives what it gives without assembler.
_OPENCV_AVX512 = 13
_REPEATABLE_X264 = "asm=avx2"


@dataclass(frozen=True)
class Encoding:
    """Which encoder, and its settings."""

    codec: str
    """FFmpeg's name."""
    options: Mapping[str, str] = field(default_factory=dict)
    """As FFmpeg takes them."""


@dataclass(frozen=True)
class Picture:
    """What an encoder must know of a clip before its first frame."""

    width: int
    height: int
    pixel_format: str
    rate: Fraction
    time_base: Fraction
    props: Mapping[str, Any]
    """Of the first frame: colours, aspect ratio, mastering display and content light."""


def encoding(
    codec: str, crf: float | None, preset: str | None, options: Mapping[str, str]
) -> Encoding:
    """Returns an encoder and its settings after checking that they exist.

    Args:
        codec: FFmpeg's name of a video encoder.
        crf: Constant quality; ``None``: 18 for x264 and x265, 25 for SVT-AV1 and VP9.
        preset: The encoder's own word.
        options: More options, as FFmpeg takes them.

    Raises:
        EncoderError: There is no such encoder here, or it has no such option.
    """
    try:
        known = av.codec.Codec(codec, "w")
    except ValueError as error:
        raise EncoderError(
            f"there is no encoder {codec!r} here; usual ones are libx264, libx265, libsvtav1, "
            "libvpx-vp9, ffv1 and prores_ks"
        ) from error
    if known.type != "video":
        raise EncoderError(f"{codec} does not encode video")
    names = {o.name for o in (*_options_of(codec, "private"), *_options_of(codec, "generic"))}
    wanted = dict(options)
    if crf is not None:
        wanted["crf"] = f"{crf:g}"
    elif codec in _DEFAULT_CRF and not {"crf", "qp", "b", "global_quality"} & wanted.keys():
        wanted["crf"] = _DEFAULT_CRF[codec]
    if preset is not None:
        wanted["preset"] = preset
    if codec == "libvpx-vp9" and "crf" in wanted:
        wanted.setdefault("b", "0")  # otherwise the quality is only a bound
    for name in wanted:
        if name not in names:
            raise EncoderError(f"the encoder {codec} has no option {name!r}")
    return Encoding(codec, wanted)


def _options_of(codec: str, kind: str) -> Sequence[Any]:
    context = av.CodecContext.create(codec, "w")
    return tuple(getattr(context.supported_options, kind))


def pixel_format(clip: vs.VideoNode, codec: str, wanted: str | None) -> tuple[str, int | None]:
    """Returns the pixel format for an encoder, and the clip's new format if it must change.

    Args:
        clip: What will be encoded.
        codec: FFmpeg's name of the encoder.
        wanted: FFmpeg's name of a pixel format, or ``None`` for the nearest to the clip that the
            encoder takes: rather more bits or chroma than less.

    Raises:
        EncoderError: The encoder does not take what is wanted, or nothing that can be had.
    """
    formats = av.codec.Codec(codec, "w").video_formats or []
    accepted = [f.name for f in formats if f.name in _FORMATS] or list(_FORMATS)
    if wanted is not None and wanted not in accepted:
        raise EncoderError(f"{codec} does not take {wanted}; it takes {', '.join(accepted)}")
    chosen = wanted or min(accepted, key=lambda name: _loss(clip.format, _FORMATS[name]))
    target = _FORMATS[chosen]
    return chosen, None if target == int(clip.format.id) else target


def _loss(have: vs.VideoFormat, target: int) -> tuple[object, ...]:
    """Ranks what a conversion costs: colour family, chroma, depth, then size."""
    new = vs.core.get_video_format(target)
    chroma = (new.subsampling_w - have.subsampling_w, new.subsampling_h - have.subsampling_h)
    bits = 16 if have.sample_type == vs.FLOAT else have.bits_per_sample
    return (
        new.color_family != have.color_family,
        new.color_family == vs.GRAY,
        sum(max(0, step) for step in chroma),
        max(0, bits - new.bits_per_sample),
        sum(max(0, -step) for step in chroma),
        new.bits_per_sample,
    )


_FORMATS: dict[str, int] = {
    "yuv420p": int(vs.YUV420P8),
    "yuv422p": int(vs.YUV422P8),
    "yuv444p": int(vs.YUV444P8),
    "yuv440p": int(vs.YUV440P8),
    "yuv411p": int(vs.YUV411P8),
    "yuv410p": int(vs.YUV410P8),
    "yuv420p10le": int(vs.YUV420P10),
    "yuv422p10le": int(vs.YUV422P10),
    "yuv444p10le": int(vs.YUV444P10),
    "yuv420p12le": int(vs.YUV420P12),
    "yuv422p12le": int(vs.YUV422P12),
    "yuv444p12le": int(vs.YUV444P12),
    "yuv420p16le": int(vs.YUV420P16),
    "yuv422p16le": int(vs.YUV422P16),
    "yuv444p16le": int(vs.YUV444P16),
    "gray": int(vs.GRAY8),
    "gray10le": int(vs.GRAY10),
    "gray12le": int(vs.GRAY12),
    "gray16le": int(vs.GRAY16),
    "gbrp": int(vs.RGB24),
    "gbrp10le": int(vs.RGB30),
    "gbrp12le": int(vs.RGB36),
    "gbrp16le": int(vs.RGB48),
    "bgr0": int(vs.RGB24),
    "rgb24": int(vs.RGB24),
    "rgb48le": int(vs.RGB48),
}

# Of encoders that want the colours of a pixel side by side.
_PLANAR = {"bgr0": "gbrp", "rgb24": "gbrp", "rgb48le": "gbrp16le"}


def open_encoder(
    container: av.container.OutputContainer, settings: Encoding, picture: Picture
) -> av.VideoStream:
    """Adds a stream with a fresh encoder to a container.

    Raises:
        EncoderError: The encoder refuses its settings.
    """
    try:
        stream = container.add_stream(
            settings.codec, rate=picture.rate, options=_with_parameters(settings, picture.props)
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise EncoderError(f"{settings.codec} refuses: {error}") from error
    context = stream.codec_context
    context.width, context.height = picture.width, picture.height
    context.pix_fmt = picture.pixel_format
    context.time_base = picture.time_base
    context.framerate = picture.rate
    props = picture.props
    # VapourSynth's numbers are those of ITU-T H.273, as FFmpeg's are, but for range and siting.
    context.colorspace = props.get("_Matrix", 2)
    context.color_trc = props.get("_Transfer", 2)
    context.color_primaries = props.get("_Primaries", 2)
    if "_Range" in props:
        context.color_range = 2 if props["_Range"] else 1
    if "_ChromaLocation" in props and picture.pixel_format.startswith("yuv4"):
        context.chroma_sample_location = props["_ChromaLocation"] + 1
    if props.get("_SARNum", 0) > 0 and props.get("_SARDen", 0) > 0:
        context.sample_aspect_ratio = Fraction(props["_SARNum"], props["_SARDen"])
    return stream


def _with_parameters(settings: Encoding, props: Mapping[str, Any]) -> dict[str, str]:
    """Adds what encoders take only among their own parameters; the user's come last and win."""
    options = dict(settings.options)
    extra: list[str] = []
    if settings.codec == "libx264" and cv2.checkHardwareSupport(_OPENCV_AVX512):
        name = "x264-params"
        extra.append(_REPEATABLE_X264)
    if settings.codec in _QUIET:
        name, quiet = _QUIET[settings.codec]
        extra.append(quiet)
    if settings.codec in _HDR_PARAMETERS:
        name, mastering, light, scaled = _HDR_PARAMETERS[settings.codec]
        extra += _mastering(mastering, props, scaled=bool(scaled))
        if "ContentLightLevelMax" in props:
            average = props.get("ContentLightLevelAverage", 0)
            extra.append(f"{light}={props['ContentLightLevelMax']},{average}")
    if extra:
        options[name] = ":".join(filter(None, [*extra, options.get(name)]))
    return options


def _mastering(name: str, props: Mapping[str, Any], *, scaled: bool) -> list[str]:
    """Words the mastering display after ST 2086; scaled: in steps of 0.00002 and 0.0001 cd/m2."""
    needed = ("PrimariesX", "PrimariesY", "WhitePointX", "WhitePointY", "MinLuminance")
    if any(f"MasteringDisplay{part}" not in props for part in (*needed, "MaxLuminance")):
        return []

    def number(value: float, steps: int) -> str:
        return str(round(value * steps)) if scaled else f"{value:.6f}"

    def point(x: float, y: float) -> str:
        return f"({number(x, 50_000)},{number(y, 50_000)})"

    of = {part: props[f"MasteringDisplay{part}"] for part in (*needed, "MaxLuminance")}
    red, green, blue = (
        point(x, y) for x, y in zip(of["PrimariesX"], of["PrimariesY"], strict=True)
    )
    white = point(of["WhitePointX"], of["WhitePointY"])
    most, least = number(of["MaxLuminance"], 10_000), number(of["MinLuminance"], 10_000)
    return [f"{name}=G{green}B{blue}R{red}WP{white}L({most},{least})"]


def to_av(frame: vs.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """Copies a frame into one for an encoder."""
    planar = _PLANAR.get(pixel_format, pixel_format)
    picture = av.VideoFrame(frame.width, frame.height, planar)
    order = (1, 2, 0) if frame.format.color_family == vs.RGB else range(frame.format.num_planes)
    for target, plane in zip(picture.planes, order, strict=True):
        samples = np.asarray(frame[plane])
        rows = np.frombuffer(target, samples.dtype).reshape(target.height, -1)
        rows[:, : samples.shape[1]] = samples
    return picture if planar == pixel_format else picture.reformat(format=pixel_format)
