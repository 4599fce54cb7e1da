"""A clip that moves, for measuring speed where there is no file."""

import numpy as np
import vapoursynth as vs


def moving(width: int, height: int) -> vs.VideoNode:
    """Returns texture that moves by whole pixels, so that models that align have work to do.

    Args:
        width: Even.
        height: Even.

    Returns:
        32 frames of ``YUV420P8``, which cost next to nothing to read.
    """
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 200, (height + 64, width + 64), np.uint8)
    still = vs.core.std.BlankClip(
        format=vs.GRAY8, width=width + 64, height=height + 64, length=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        np.asarray(frame[0])[...] = noise
        return frame

    canvas = still.std.ModifyFrame(still, fill).std.BoxBlur(0, 2, 2, 2, 2)
    frames = [
        canvas.std.CropAbs(width, height, 2 * n, n).resize.Point(format=vs.YUV420P8)
        for n in range(32)
    ]
    return vs.core.std.Splice(frames).std.SetFrameProps(_Matrix=vs.MATRIX_BT709, _Range=0)
