"""``Deblock``: removes compression artefacts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import vapoursynth as vs

from ..cards import Card, ModelFile, find
from ..graph import planes as plane_graph
from ..graph import scenes
from ..graph.clips import ClipFacts, checked, facts
from ..graph.guard import guarded
from ..graph.nodes import shared
from ..inference.backends import AnyBackend
from ..inference.probe import probe
from .file_model import by_file
from .options import Options, check_engine, errors_named, number, plane_indices
from .quantiser import Weighing
from .residual import prepared, residual

DEFAULT_MODEL = "deblock-balanced-v7"


def Deblock(
    clip: vs.VideoNode,
    strength: float | Literal["auto"] = 1.0,
    model: str | Path = DEFAULT_MODEL,
    planes: int | Sequence[int] | None = None,
    *,
    qp: float | None = None,
    backend: str | AnyBackend = "auto",
    device_index: int = 0,
    num_streams: int | None = None,
    fp16: bool | None = None,
    tile: tuple[int, int] | None = None,
    tile_pad: int | None = None,
    length: int | None = None,
    overlap: int | None = None,
    ensemble: int = 1,
    sc: bool = True,
    sc_threshold: float = scenes.DEFAULT_THRESHOLD,
    engine_folder: str | Path | None = None,
) -> vs.VideoNode:
    """Removes blocking, ringing and mosquito noise that video compression left behind.

    The shipped models look at several consecutive frames (never across a scene cut), see luma and
    chroma as they are stored, and return what has to be added; the sum is formed at the clip's
    own bit depth. So there is no colour conversion, and where the model changes nothing the
    picture comes through bit for bit.

    Args:
        clip: GRAY, YUV (4:2:0, 4:2:2, 4:4:4, 4:4:0, 4:1:1, 4:1:0) or RGB; integer of 8 to 16
            bits, half or single float; any range, matrix and chroma location; constant format
            and size, at least 16x16; progressive. 4:2:0 and GRAY go to the model as they are; of
            other formats it sees a 4:2:0 version, and their own chroma gets its residual.
        strength: 0 gives the clip back untouched, 1 is the model's own opinion, values between
            mix linearly. ``"auto"`` goes from 1 (at a quantiser of 20 and more) to 0 (14 and
            less), so that clean video is left alone; only for the shipped models.
        model: Name of a shipped model (``vqe.list_models("deblock")``) or a word of it,
            ``"best"``, ``"balanced"`` or ``"fast"``; or path of an ``.onnx`` image model (N x C x
            H x W, RGB or luma, float32 or float16), or of a PyTorch checkpoint (``.pth``, ``.pt``,
            ``.ckpt``, ``.safetensors``) of an image or a recurrent network. One that enlarges is
            followed by a bicubic reduction to the clip's size.
        planes: Planes to process, as in the core's filters: an index, several, or ``None`` for
            all. The others are copied.
        qp: How coarsely the video was quantised: the QP of H.264 and HEVC, 0 to 51, or the CRF
            of x264 and x265. The shipped models take more away where compression was strong, and
            less where it was slight. ``None`` estimates it from the frames around.
        backend: ``"auto"`` takes the fastest that works here (CUDA, OpenVINO, ONNX Runtime on the
            CPU; PyTorch for checkpoints that these can't run); ``"cpu"``, ``"cuda"``,
            ``"tensorrt"``, ``"openvino"`` or ``"torch"`` take that one or fail; ``vqe.Backend``
            has their settings.
        device_index: Which GPU.
        num_streams: Chunks computed at the same time, at least 1; a CPU's cores are shared among
            them. ``None``: 2, but 1 on a CPU of one core, where a chunk has more frames than half
            of the cores, where an image model gives more than four megapixels, and for recurrent
            networks and PyTorch on a CPU. It changes speed, memory and how long a single frame
            takes, but no frame.
        fp16: Whether half precision (fp16, or bf16 on CPUs that have it) may be used. ``None``:
            yes for shipped models, whose residuals suffer nothing visible by it, no for others.
        tile: Width and height in pixels of the tiles in which the model runs; ``None``: whole
            frames, and smaller tiles only if the device runs out of memory.
        tile_pad: Overlap of the tiles in pixels on each side; ``None``: the model's receptive
            field, with which there is no seam (32 for image models).
        length: Frames that one call of the model returns; ``None``: about two megapixels' worth,
            but one where a CPU computes several chunks at the same time of a model that aligns
            its frames; for recurrent networks 8 to 24.
        overlap: Frames of context on each side of them; ``None``: what the model needs, for
            recurrent networks 4.
        ensemble: 2, 4 or 8 run the model on so many views of each picture, turned and mirrored,
            and take the mean of what it gives: as many times slower, and a little nearer to the
            original. 1: as it is.
        sc: Whether windows end at scene cuts. ``_SceneChangePrev`` and ``_SceneChangeNext``
            decide where frames have them, a detector of our own elsewhere.
        sc_threshold: Of that detector: by how much the mean absolute luma difference (0 to 1) of
            two frames exceeds one and a half times that of the pairs around them.
        engine_folder: Where built engines (TensorRT, OpenVINO) and converted checkpoints are kept
            for the next time; ``None`` keeps none.

    Returns:
        A clip of the same format, size, length and frame rate, with the same props.

    Raises:
        vapoursynth.Error: An argument, the clip, the model or the backend can't be used; the
            text says what was given, what is accepted and what to do.

    Source:
        The network is a plain residual stack at half resolution after BRNet (NTIRE 2021
        challenge on quality enhancement of compressed video) with a window of frames.

    Example:
        >>> import vapoursynth as vs
        >>> import vsvqe as vqe
        >>> clip = vs.core.bs.VideoSource("input.mp4")  # doctest: +SKIP
        >>> vqe.Deblock(clip, strength="auto").set_output()  # doctest: +SKIP
    """
    arguments = locals()
    with errors_named("Deblock"):
        clip = checked(clip)
        options = Options.among(arguments)
        if strength != "auto":
            if isinstance(strength, str):
                raise ValueError(f"strength={strength!r} must be a number from 0 to 1 or 'auto'")
            strength = number("strength", strength, 0.0, 1.0)
        if qp is not None:
            qp = number("qp", qp, 0.0, 51.0)
        chosen = plane_indices(planes, clip.format.num_planes)
        found = find(model, "deblock")
        check_engine(found, str(model), options.backend)
        clip_facts = facts(clip)
        if strength == 0.0 or not chosen:
            return clip
        if isinstance(found, Card):
            return _by_residual(clip, clip_facts, found, options, strength, qp, chosen)
        if strength == "auto":
            raise ValueError(
                "strength='auto' needs a shipped model; give a number from 0 to 1 with "
                f"model={str(model)!r}"
            )
        if qp is not None:
            raise ValueError(
                f"qp={qp:g} is for the shipped models; leave it out with model={str(model)!r}"
            )
        return _by_file(clip, clip_facts, found, options, strength, chosen)


def _by_residual(
    clip: vs.VideoNode,
    clip_facts: ClipFacts,
    card: Card,
    options: Options,
    strength: float | Literal["auto"],
    qp: float | None,
    chosen: Sequence[int],
) -> vs.VideoNode:
    held, seen = prepared(clip, clip_facts, options, "Deblock")

    if strength == "auto" or card.heeds_quantiser:
        weighing, weight = Weighing(card=card, strength=strength, qp=qp), 1.0
    else:
        weighing, weight = None, strength
    wanted = residual(seen, clip_facts, card, options, name="Deblock", weighing=weighing)
    wanted = plane_graph.residual_like(wanted, clip.format, clip_facts, clip.width, clip.height)
    result = plane_graph.added(held, [(wanted, weight)], clip.format, clip_facts, chosen)
    return scenes.cleaned(result)


def _by_file(
    clip: vs.VideoNode,
    clip_facts: ClipFacts,
    model: ModelFile,
    options: Options,
    strength: float,
    chosen: Sequence[int],
) -> vs.VideoNode:
    kind = probe(model.path, model.sha256)
    clip = shared(guarded(clip, "Deblock", finite=False))
    enhanced = by_file(clip, clip_facts, model, kind, options, name="Deblock")
    if enhanced.width != clip.width:
        enhanced = plane_graph.resized(enhanced, clip.width, clip.height, clip_facts)
    if strength == 1.0 and len(chosen) == clip.format.num_planes:
        return enhanced.std.CopyFrameProps(clip)
    mix = f"x {1.0 - strength!r} * y {strength!r} * +"
    expressions = [mix if plane in chosen else "" for plane in range(clip.format.num_planes)]
    return vs.core.std.Expr([clip, enhanced], expressions)
