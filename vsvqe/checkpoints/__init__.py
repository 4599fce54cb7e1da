"""Checkpoints: files of trained PyTorch weights, told apart by the names and shapes of tensors."""

from pathlib import Path

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint, by its name."""
    return path.suffix.lower() in SUFFIXES
