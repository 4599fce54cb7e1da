"""The network behind Deblock and SuperRes: 4:2:0 planes in, a residual on 4:2:0 planes out.

All convolutions run at half the luma resolution, where a frame is six channels: four from the
luma plane (pixel-unshuffled by two) and the two chroma planes as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import Convolution, ResidualBlock, conv3x3
from vsvqe.nets.quantiser_map import QuantiserMap, filled
from vsvqe.nets.response import Response
from vsvqe.nets.window import Window

FRAME_CHANNELS = 6
RESIDUAL_SCALE = 0.1
# Neighbours enter as differences to the centre frame, which are small: without a gain the
# weights on them would learn many times more slowly than those on the centre frame.
NEIGHBOUR_GAIN = 4.0


def with_scale(weights: dict[str, Tensor], scale: int) -> dict[str, Tensor]:
    """Returns weights of a ``PlanesNet`` for one of the same or a larger scale.

    Only the tail differs between scales. The larger one repeats the pixels of the smaller, which is
    nearer to what it should give than nothing.

    Args:
        weights: The state dict of a trained network.
        scale: Of the network that they are for.

    Raises:
        ValueError: The scale is no multiple of that of the weights.
    """
    own = round((len(weights["tail.bias"]) / FRAME_CHANNELS) ** 0.5)
    if scale % own:
        raise ValueError(f"weights for scale {own} don't fit scale {scale}")
    times = scale // own

    def repeated(tail: Tensor) -> Tensor:
        luma, chroma = tail[: 4 * own**2], tail[4 * own**2 :]
        planes = (
            torch.unflatten(luma, 0, (1, 2 * own, 2 * own)),
            torch.unflatten(chroma, 0, (2, own, own)),
        )
        large = (p.repeat_interleave(times, 1).repeat_interleave(times, 2) for p in planes)
        return torch.cat([plane.flatten(0, 2) for plane in large])

    tails = {name: repeated(weights[name]) for name in ("tail.weight", "tail.bias")}
    return weights | tails


class WindowNet(nn.Module):
    """A network that restores the centre frame of windows.

    Attributes:
        window: The frames it sees.
        scale: Size of the output relative to the input.
        response: How much of the residual is to be given, if that depends on the quantiser.
    """

    window: Window
    scale: int
    response: Response | None

    def __init__(self) -> None:
        """Begins without a response."""
        super().__init__()
        self.response = None

    @property
    def heeds_quantiser(self) -> bool:
        """Whether ``residuals`` depends on the quantiser."""
        return self.response is not None

    def residuals(self, y: Tensor, uv: Tensor, quantiser: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what ``windows`` does, as much of it as the quantiser calls for.

        Args:
            y: As for ``windows``.
            uv: As for ``windows``.
            quantiser: Of every window, `[N]`.
        """
        return self.weighed(self.windows(y, uv), quantiser)

    def weighed(self, planes: tuple[Tensor, Tensor], quantiser: Tensor) -> tuple[Tensor, Tensor]:
        """Returns as much of residuals as the response says that the quantiser calls for."""
        if self.response is None:
            return planes
        luma, chroma = planes
        luma_factor, chroma_factor = self.response(quantiser)[..., None, None, None]
        return luma_factor * luma, chroma_factor * chroma

    def windows(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the residual of the centre frame of every window.

        Args:
            y: Luma, `[N, K, H, W]`.
            uv: Chroma, `[N, K, 2, H / 2, W / 2]`.

        Returns:
            The residuals `[N, 1, s * H, s * W]` and `[N, 2, s * H / 2, s * W / 2]`.
        """
        raise NotImplementedError


class PlanesNet(WindowNet):
    """Residual network over a window of frames, for scale 1, 2 or 4."""

    def __init__(
        self,
        window: Window,
        scale: int = 1,
        channels: int = 32,
        blocks: int = 4,
        hidden: int | None = None,
        convolution: Convolution = conv3x3,
        *,
        responsive: bool = False,
        quantiser_map: bool = False,
        cleaning: bool = False,
    ) -> None:
        """Builds the network.

        Args:
            window: The frames it sees.
            scale: Size of the output relative to the input, 1, 2 or 4.
            channels: Feature channels.
            blocks: Residual blocks.
            hidden: Channels inside the blocks; as many as outside by default.
            convolution: Makes the layers of the blocks.
            responsive: Whether the quantiser decides how much of the residual is given.
            quantiser_map: Whether the network sees the quantiser, as a plane beside the chroma.
            cleaning: Whether half of the blocks are to clean the frame before it is enlarged, which
                ``stages`` shows and exported models don't.

        Raises:
            ValueError: If the scale is another, or windows with a quantiser map are not aligned.
        """
        super().__init__()
        if scale not in (1, 2, 4):
            raise ValueError(f"scale is {scale}, accepted are 1, 2 and 4")
        if quantiser_map and not window.aligned:
            # In a run of frames, each would need a quantiser, also those that are but context.
            raise ValueError("a quantiser map goes with aligned windows only")
        self.window = window
        self.scale = scale
        self.channels = channels
        self.head = conv3x3(FRAME_CHANNELS, channels)
        others = (len(window.offsets) - 1) * FRAME_CHANNELS
        self.neighbours = nn.Conv2d(others, channels, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, hidden, convolution) for _ in range(blocks)
        )
        self.tail = conv3x3(channels, FRAME_CHANNELS * scale * scale)
        self.response = Response() if responsive else None
        self.quantiser_map = QuantiserMap(channels) if quantiser_map else None
        self.cleaner = conv3x3(channels, FRAME_CHANNELS) if cleaning else None
        # Zero: a network trained on single frames keeps its output when neighbours are switched
        # on. The tail is zero too, so that training starts from "leave the picture alone".
        nn.init.zeros_(self.neighbours.weight)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        if self.cleaner is not None:
            nn.init.zeros_(self.cleaner.weight)
            nn.init.zeros_(self.cleaner.bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """Luma pixels of the input, on one side, that can change an output pixel."""
        return 2 * (2 + 2 * len(self.blocks))

    @property
    def chroma_channels(self) -> int:
        """Channels of the chroma that the ONNX model takes; see ``Card.chroma_channels``."""
        frames = len(self.window.offsets) if self.window.aligned else 1
        return 2 * frames + (self.quantiser_map is not None)

    @property
    def heeds_quantiser(self) -> bool:
        """Whether ``residuals`` depends on the quantiser."""
        return self.quantiser_map is not None or super().heeds_quantiser

    def residuals(self, y: Tensor, uv: Tensor, quantiser: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the quantiser calls for; see ``WindowNet``."""
        if self.quantiser_map is None:
            return super().residuals(y, uv, quantiser)
        return self.weighed(self.windows(y, uv, filled(quantiser, *uv.shape[-2:])), quantiser)

    def windows(self, y: Tensor, uv: Tensor, plane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the residual of the centre frame of every window; see ``WindowNet``.

        Args:
            y: Luma: the K frames of the window, or the centre frame alone to go without neighbours.
            uv: Chroma.
            plane: The quantiser map, `[N, 1, H / 2, W / 2]`, of a network that sees one.

        Raises:
            ValueError: The network sees one and there is none, or the other way round.
        """
        head = self._head(y, uv, plane)
        return _planes(self.tail(self._through(self.blocks, head) + head), self.scale)

    def stages(self, y: Tensor, uv: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Returns what half of the blocks clean away, and what ``windows`` returns.

        RealBasicVSR (Chan et al., CVPR 2022) has a network of its own clean the frames first, and
        holds what that gives to the clean frames. Here, half of the blocks are held to them.

        Args:
            y: As for ``windows``.
            uv: As for ``windows``.

        Returns:
            The residuals of the centre frame at its own size, and those of the enlarged one.

        Raises:
            ValueError: The network was not made for cleaning.
        """
        if self.cleaner is None:
            raise ValueError("the network was not made for cleaning")
        half = len(self.blocks) // 2
        head = self._head(y, uv, None)
        features = self._through(self.blocks[:half], head)
        cleaned = _planes(self.cleaner(features + head), 1)
        features = self._through(self.blocks[half:], features)
        return cleaned, _planes(self.tail(features + head), self.scale)

    def forward(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the residuals of a run of frames, as the ONNX model does.

        Args:
            y: Luma in [0, 1]. Of windows that are not aligned, a run of consecutive frames
                `[T, 1, H, W]`, H and W even; of aligned ones, windows `[N, K, H, W]`.
            uv: Chroma in [-0.5, 0.5], `[T, 2, H / 2, W / 2]` or `[N, 2 * K, H / 2, W / 2]`; of a
                network that sees a quantiser map, that follows, as one channel more.

        Returns:
            Luma and chroma residuals of all frames that have all neighbours, or of all windows.
        """
        if self.window.aligned:
            chroma, plane = uv, None
            if self.quantiser_map is not None:
                chroma, plane = uv[:, :-1], uv[:, -1:]
            return self.windows(y, torch.unflatten(chroma, 1, (-1, 2)), plane)
        radius = self.window.radius
        outputs = y.shape[0] - 2 * radius
        indices = torch.arange(outputs)[:, None] + torch.arange(2 * radius + 1)[None, :]
        return self.windows(y[:, 0][indices], uv[indices])

    def _head(self, y: Tensor, uv: Tensor, plane: Tensor | None) -> Tensor:
        """Returns the features of windows before the blocks; see ``windows``."""
        if (plane is None) != (self.quantiser_map is None):
            raise ValueError("a quantiser map is for networks that see one, and these need it")
        count, frames, height, width = y.shape
        luma = functional.pixel_unshuffle(y.reshape(count * frames, 1, height, width) - 0.5, 2)
        luma = luma.reshape(count, frames, 4, height // 2, width // 2)
        stacked = torch.cat((luma, uv), dim=2)
        index = self.window.centre if frames > 1 else 0
        centre = stacked[:, index]
        head: Tensor = self.head(centre.contiguous(memory_format=torch.channels_last))
        if frames > 1:
            others = torch.cat((stacked[:, :index], stacked[:, index + 1 :]), dim=1)
            differences = NEIGHBOUR_GAIN * (others - centre.unsqueeze(1)).flatten(1, 2)
            head = head + self.neighbours(differences.contiguous(memory_format=torch.channels_last))
        if self.quantiser_map is not None:
            head = head + self.quantiser_map(plane)
        return head

    @staticmethod
    def _through(blocks: nn.ModuleList, features: Tensor) -> Tensor:
        for block in blocks:
            features = block(features)
        return features


def _planes(tail: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Splits what the last convolution gives into planes."""
    residual = RESIDUAL_SCALE * tail.float()
    luma = residual[:, : 4 * scale**2]
    chroma = functional.pixel_shuffle(residual[:, 4 * scale**2 :], scale)
    return functional.pixel_shuffle(luma, 2 * scale), chroma
