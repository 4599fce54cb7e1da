"""FSRCNN: all work at the small size, a transposed convolution as the last step.

Dong, Loy and Tang, "Accelerating the super-resolution convolutional neural network", ECCV 2016.
FSRCNN(56, 12, 4) has 12,809 parameters on luma, with the activations' slopes.
"""

from __future__ import annotations

from torch import Tensor, nn


class FSRCNN(nn.Module):
    """Enlarges pictures."""

    def __init__(
        self,
        scale: int,
        channels: int = 1,
        features: int = 56,
        shrunk: int = 12,
        mappings: int = 4,
        kernel: int = 9,
    ) -> None:
        """Builds the network.

        Args:
            scale: Size of the output over that of the input.
            channels: 1 (luma) or 3 (RGB).
            features: Channels of the first and the last layer.
            shrunk: Channels between them.
            mappings: 3x3 convolutions between them.
            kernel: Side of the transposed convolution's kernel, an odd number.
        """
        super().__init__()
        self.first_part = nn.Sequential(
            nn.Conv2d(channels, features, 5, padding=2), nn.PReLU(features)
        )
        middle: list[nn.Module] = [nn.Conv2d(features, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(mappings):
            middle += [nn.Conv2d(shrunk, shrunk, 3, padding=1), nn.PReLU(shrunk)]
        middle += [nn.Conv2d(shrunk, features, 1), nn.PReLU(features)]
        self.mid_part = nn.Sequential(*middle)
        self.last_part = nn.ConvTranspose2d(
            features, channels, kernel, scale, kernel // 2, output_padding=scale - 1
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns `[N, C, s * H, s * W]` of pictures `[N, C, H, W]` in [0, 1]."""
        enlarged: Tensor = self.last_part(self.mid_part(self.first_part(pictures)))
        return enlarged
