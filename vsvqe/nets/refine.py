"""The network behind the second stage of ASTF: one trunk, a residual for texture, one for calm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsvqe.nets.blocks import ResidualBlock, conv3x3
from vsvqe.nets.planes import FRAME_CHANNELS, NEIGHBOUR_GAIN, RESIDUAL_SCALE

BRANCHES = ("texture", "smooth")


class RefineNet(nn.Module):
    """Two residuals on the 4:2:0 planes of a frame that was made faithful before.

    Beside it the network sees what that was made of: a faithful picture leaves out what is not
    sure, and of texture the damaged one tells more. The layout is that of ``PlanesNet``: all
    convolutions run at half the luma resolution.

    Attributes:
        stage1: Name of the Deblock model whose pictures it refines.
    """

    def __init__(
        self, stage1: str, channels: int = 32, blocks: int = 3, branch_blocks: int = 2
    ) -> None:
        """Builds the network.

        Args:
            stage1: Name of the Deblock model whose pictures it refines.
            channels: Feature channels.
            blocks: Residual blocks of the trunk.
            branch_blocks: Residual blocks of each branch.
        """
        super().__init__()
        self.stage1 = stage1
        self.head = conv3x3(FRAME_CHANNELS, channels)
        self.damaged = nn.Conv2d(FRAME_CHANNELS, channels, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(blocks))
        self.branches = nn.ModuleDict(
            {
                name: nn.ModuleList(ResidualBlock(channels) for _ in range(branch_blocks))
                for name in BRANCHES
            }
        )
        self.tails = nn.ModuleDict({name: conv3x3(channels, FRAME_CHANNELS) for name in BRANCHES})
        nn.init.zeros_(self.damaged.weight)
        # Training starts from "leave the picture alone".
        for tail in self.tails.values():
            assert isinstance(tail, nn.Conv2d) and tail.bias is not None
            nn.init.zeros_(tail.weight)
            nn.init.zeros_(tail.bias)

    @property
    def receptive_field(self) -> int:
        """Luma pixels of the input, on one side, that can change an output pixel."""
        branch = self.branches[BRANCHES[0]]
        assert isinstance(branch, nn.ModuleList)
        return 2 * (2 + 2 * len(self.blocks) + 2 * len(branch))

    def forward(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns the residuals of both branches, as the ONNX model does.

        Args:
            y: Luma in [0, 1], `[N, 2, H, W]`, H and W even: of the faithful picture, and of the
                damaged one that it was made of.
            uv: Chroma of both in [-0.5, 0.5], `[N, 4, H / 2, W / 2]`.

        Returns:
            Luma and chroma residuals of `texture`, then those of `smooth`.
        """
        faithful, damaged = (
            torch.cat((functional.pixel_unshuffle(luma - 0.5, 2), chroma), dim=1)
            for luma, chroma in zip(y.chunk(2, dim=1), uv.chunk(2, dim=1), strict=True)
        )
        lost = NEIGHBOUR_GAIN * (damaged - faithful)
        head = self.head(faithful.contiguous(memory_format=torch.channels_last))
        head = head + self.damaged(lost.contiguous(memory_format=torch.channels_last))
        trunk = head
        for block in self.blocks:
            trunk = block(trunk)
        texture_y, texture_uv = self._residual("texture", trunk, head)
        smooth_y, smooth_uv = self._residual("smooth", trunk, head)
        return texture_y, texture_uv, smooth_y, smooth_uv

    def _residual(self, name: str, trunk: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
        """Runs a branch and splits its result into planes."""
        branch = self.branches[name]
        assert isinstance(branch, nn.ModuleList)
        features = trunk
        for block in branch:
            features = block(features)
        residual = RESIDUAL_SCALE * self.tails[name](features + head).float()
        return functional.pixel_shuffle(residual[:, :4], 2), residual[:, 4:]
