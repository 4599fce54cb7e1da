"""LPIPS: a perceptual distance, from the features of a network trained to classify."""

import warnings
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import torch
from numpy.typing import NDArray


class Lpips:
    """LPIPS v0.1 with AlexNet features; nothing is downloaded.

    After Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features
    as a perceptual metric", CVPR 2018. The weights of the heads are in the ``lpips`` package; the
    features come from a file.
    """

    def __init__(self, weights: Path) -> None:
        """Loads the network.

        Args:
            weights: File with the tensors ``features.<index>.weight`` and ``.bias`` of
                torchvision's AlexNet (as ``torch.save`` writes its ``state_dict``).
        """
        with warnings.catch_warnings():
            # The package calls torchvision with arguments that torchvision has renamed.
            warnings.simplefilter("ignore")
            self._net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        tensors = torch.load(weights, weights_only=True)
        # The package cuts the features into slices, but keeps their indices: `slice2.3.weight`.
        names = list(self._net.net.state_dict())
        own = {name: tensors[f"features.{name.split('.', 1)[1]}"] for name in names}
        self._net.net.load_state_dict(own)
        self._net.requires_grad_(False)
        self._net.eval()

    def distance(self, reference: NDArray[Any], picture: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the distance of every frame; 0 where they are equal, smaller is better.

        Args:
            reference: RGB of the original, frames x height x width x 3, 8 bits, full range.
            picture: RGB of what is judged, of the same shape.

        Raises:
            ValueError: The shapes differ.

        Example:
            >>> from pathlib import Path
            >>> from vsvqe.metrics.lpips import Lpips
            >>> metric = Lpips(Path("alexnet_features.pth"))  # doctest: +SKIP
            >>> metric.distance(original, restored).mean()  # doctest: +SKIP
        """
        if reference.shape != picture.shape or reference.ndim != 4 or reference.shape[3] != 3:
            raise ValueError(
                f"two T x H x W x 3 arrays are needed, not {reference.shape}, {picture.shape}"
            )
        with torch.inference_mode():
            return np.array(
                [
                    float(self._net(_tensor(a), _tensor(b)))
                    for a, b in zip(reference, picture, strict=True)
                ]
            )

    def features(self, pictures: NDArray[Any], side: int = 64) -> NDArray[np.float32]:
        """Returns AlexNet's last features of patches, averaged over each.

        Args:
            pictures: RGB, frames x height x width x 3, 8 bits, full range, at least 64x64.
            side: Of the patches, in pixels: a multiple of 16, which a feature stands for.

        Returns:
            For each patch of each frame 256 features; what exceeds whole patches is left out.
        """
        found = []
        with torch.inference_mode():
            for picture in pictures:
                scaled = self._net.scaling_layer(_tensor(picture))
                last = self._net.net(scaled)[-1]
                pooled = torch.nn.functional.avg_pool2d(last, side // 16)
                found.append(pooled[0].flatten(1).T.numpy())
        return np.concatenate(found)


def _tensor(rgb: NDArray[Any]) -> torch.Tensor:
    """Returns a picture as the network takes it: 1 x 3 x H x W, from -1 to 1."""
    scaled = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32) / 127.5 - 1.0
    return torch.from_numpy(scaled)
