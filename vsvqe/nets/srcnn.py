"""SRCNN: three convolutions on a bicubic enlargement.

Dong, Loy, He and Tang, "Image super-resolution using deep convolutional networks", TPAMI 2016.
9-1-5 has 8,129 parameters on luma (20,099 on RGB), 9-5-5 57,281 (69,251).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class SRCNN(nn.Module):
    """Sharpens a bicubic enlargement."""

    def __init__(
        self,
        scale: int,
        channels: int = 3,
        features: tuple[int, int] = (64, 32),
        kernels: tuple[int, int, int] = (9, 1, 5),
    ) -> None:
        """Builds the network.

        Args:
            scale: How much the bicubic enlargement enlarges.
            channels: 1 (luma) or 3 (RGB).
            features: Channels after the first and the second convolution.
            kernels: Sides of the three kernels.
        """
        super().__init__()
        self.scale = scale
        first, second = features
        sides = zip((channels, first, second), (first, second, channels), kernels, strict=True)
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(inputs, outputs, side, padding=side // 2) for inputs, outputs, side in sides
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns `[N, C, s * H, s * W]` of pictures `[N, C, H, W]` in [0, 1]."""
        enlarged = pictures
        if self.scale != 1:
            enlarged = functional.interpolate(
                pictures, scale_factor=self.scale, mode="bicubic", align_corners=False
            )
        features = functional.relu(self.conv2(functional.relu(self.conv1(enlarged))))
        sharpened: Tensor = self.conv3(features)
        return sharpened
