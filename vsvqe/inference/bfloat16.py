"""Where PyTorch gains by bfloat16."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Tells whether a device has instructions for bfloat16; a CPU without emulates it, slowly.

    Args:
        device: A CPU, or a GPU, which is taken to have them.

    Example:
        >>> import torch
        >>> from vsvqe.inference.bfloat16 import has_bfloat16
        >>> has_bfloat16(torch.device("cuda"))
        True
    """
    if device.type != "cpu":
        return True
    capabilities = torch.backends.cpu.get_cpu_capability()
    return "AVX512" in capabilities and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
