"""How training code names the tensors of a network, brought to one set of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from .files import Weights

# Of a file with several networks the averaged generator is the one to use.
_GENERATORS = ("generator_ema.", "generator.", "netG.")
# Names under which training code holds the network; some networks have a part of that name.
_HOLDERS = ("model.", "net.", "model_ema.")

type Renaming = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Regular expressions, and what each is replaced by; all are tried, in order."""

# BasicSR's names of what mmagic (and mmediting) name otherwise; theirs are the names here.
_BASICSR_RECURRENT: Renaming = (
    (
        r"(spynet\.basic_module\.\d\.basic_module\.)([02468])\.(weight|bias)$",
        lambda m: f"{m[1]}{int(m[2]) // 2}.conv.{m[3]}",
    ),
    (r"^(backward|forward)_trunk\.", r"\1_resblocks."),
    (r"^upconv(\d)\.", r"upsample\1.upsample_conv."),
    (r"^edvr\.conv_l(\d)_(\d)\.", r"edvr.feat_l\1_conv\2.conv."),
    (r"^edvr\.pcd_align\.", "edvr.pcd_alignment."),
    (
        r"^(edvr\.(?:"
        r"pcd_alignment\.(?:offset_conv\d\.l\d|feat_conv\.l\d|cas_offset_conv\d)"
        r"|fusion\.(?:feat_fusion|spatial_attn[1-4]|spatial_attn_l\d|spatial_attn_add1)"
        r"))\.(weight|bias)$",
        r"\1.conv.\2",
    ),
)
# mmagic's names of what BasicSR names otherwise; theirs are the names here.
_MMAGIC_IMAGE: Renaming = (
    (r"^trunk_net\.", "body."),
    (r"^upsample(\d)\.upsample_conv\.", r"upconv\1."),
)


def readings(weights: Weights) -> Iterator[Weights]:
    """Yields what the network's own names may be, the likeliest first.

    Args:
        weights: As a file holds them.
    """
    plain = {
        name.removeprefix("module."): tensor
        for name, tensor in weights.items()
        if name.rpartition(".")[2] != "step_counter"
    }
    for prefix in _GENERATORS:
        inner = _below(plain, prefix)
        if inner:
            yield inner
    yield plain
    for prefix in _HOLDERS:
        inner = _below(plain, prefix)
        if inner and len(inner) == len(plain):
            yield inner


def _below(weights: Weights, prefix: str) -> Weights:
    return {
        name.removeprefix(prefix).removeprefix("module."): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


def recurrent(weights: Weights) -> Weights:
    """Returns the tensors of a recurrent network under the names of ``vsvqe.nets``."""
    return _renamed(weights, _BASICSR_RECURRENT)


def image(weights: Weights) -> Weights:
    """Returns the tensors of an image network under the names of ``vsvqe.nets``."""
    return _renamed(weights, _MMAGIC_IMAGE)


def _renamed(weights: Weights, renaming: Renaming) -> Weights:
    result = {}
    for name, tensor in weights.items():
        for pattern, replacement in renaming:
            name = re.sub(pattern, replacement, name)
        result[name] = tensor
    return result
