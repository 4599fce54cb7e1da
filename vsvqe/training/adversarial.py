"""Adversarial losses, from the logits of a discriminator.

Each kind is a pair: what the discriminator makes small, and what the generator does. For the
discriminator's step detach the restored pictures; for the generator's, freeze the discriminator.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus


def vanilla_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of telling real from restored pictures.

    After Goodfellow et al., "Generative adversarial nets", NIPS 2014.

    Args:
        real: Logits of real pictures, of any shape.
        fake: Logits of restored ones.

    Example:
        >>> import torch
        >>> from vsvqe.training.adversarial import vanilla_discriminator
        >>> vanilla_discriminator(torch.zeros(1), torch.zeros(1))
        tensor(1.3863)
    """
    return softplus(-real).mean() + softplus(fake).mean()


def vanilla_generator(fake: Tensor) -> Tensor:
    """Cross entropy of passing for real, in the form that does not saturate.

    Args:
        fake: Logits of restored pictures, of any shape.
    """
    return softplus(-fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of real pictures looking more real than the average restored one, and back.

    The relativistic average discriminator of Jolicoeur-Martineau, "The relativistic
    discriminator: a key element missing from standard GAN", ICLR 2019, as ESRGAN (Wang et al.,
    ECCV workshops 2018, equation 1) uses it; a sum of the two terms, where BasicSR halves it.

    Args:
        real: Logits of real pictures.
        fake: Logits of restored ones.
    """
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The generator's side of `relativistic_discriminator`: the same with the parts exchanged.

    Gradients reach the restored pictures through both terms (ESRGAN, equation 2).

    Args:
        real: Logits of real pictures.
        fake: Logits of restored ones.
    """
    return relativistic_discriminator(fake, real)
