"""Chains of filters in words: ``Deblock(strength=0.5) + SuperRes(scale=2)``."""

import ast
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vapoursynth as vs

import vsvqe

_FORM = 'write filters as calls joined by "+", such as "Deblock(strength=0.5) + SuperRes(scale=2)"'


@dataclass(frozen=True)
class Step:
    """One filter of a chain and its arguments, but for the clip."""

    name: str
    """Of a filter of this package, or ``plugin.Function`` of the core."""
    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    def run(self, clip: vs.VideoNode, backend: str) -> vs.VideoNode:
        """Applies the filter; ours run on the backend unless the step names another."""
        named = dict(self.named)
        if self.accepts("backend"):
            named.setdefault("backend", backend)
        result = self._filter(clip)(*self.positional, **named)
        if not isinstance(result, vs.VideoNode):
            raise ValueError(f"{self.name} returns no clip")
        return result

    def accepts(self, parameter: str) -> bool:
        """Whether it is a filter of this package with a parameter of this name."""
        return self.is_ours and parameter in inspect.signature(self._ours).parameters

    @property
    def is_ours(self) -> bool:
        """Whether it is a filter of this package."""
        return "." not in self.name

    @property
    def runs_shipped_models(self) -> bool:
        """Whether it is a filter of this package that isn't given a model's file."""
        # ASTF runs models beside the one that is named.
        return self.is_ours and (self.name == "ASTF" or not self._files)

    @property
    def version(self) -> str:
        """Changes with the plugin, for a function of the core, and with files that are named."""
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in self._files]
        plugin = "" if self.is_ours else str(getattr(vs.core, self.name.split(".")[0]).version)
        return " ".join(filter(None, [plugin, *hashes]))

    @property
    def _files(self) -> list[Path]:
        values = (*self.positional, *self.named.values())
        paths = [Path(value) for value in values if isinstance(value, str) and value]
        return [path for path in paths if path.is_file()]

    @property
    def _ours(self) -> Callable[..., vs.VideoNode]:
        function: Callable[..., vs.VideoNode] = getattr(vsvqe, self.name)
        return function

    def _filter(self, clip: vs.VideoNode) -> Callable[..., object]:
        if self.is_ours:
            return lambda *positional, **named: self._ours(clip, *positional, **named)
        plugin, function = self.name.split(".")
        bound: Callable[..., object] = getattr(getattr(clip, plugin), function)
        return bound


def parse(text: str) -> list[Step]:
    """Reads a chain.

    Args:
        text: Calls joined by ``+``, the first one first: filters of this package by their name,
            functions of the core as ``plugin.Function``. Arguments are literals; the clip is
            left out.

    Raises:
        ValueError: It is no such chain, or names a filter that doesn't exist.

    Example:
        >>> from vsvqe.evaluation.chains import parse
        >>> [step.name for step in parse("Deblock(strength='auto') + resize.Lanczos(1280, 720)")]
        ['Deblock', 'resize.Lanczos']
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return [_step(call) for call in _joined(tree)]
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{text!r} is not a chain of filters: {error}; {_FORM}") from error


def _joined(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_joined(tree.left), *_joined(tree.right)]
    return [tree]


def _step(call: ast.expr) -> Step:
    if not isinstance(call, ast.Call):
        raise ValueError(f"{ast.unparse(call)} is not a call")
    name = ast.unparse(call.func)
    if not _exists(name):
        raise ValueError(f"there is no filter {name}")
    named = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("** is not accepted")
        named[keyword.arg] = ast.literal_eval(keyword.value)
    return Step(name, tuple(ast.literal_eval(value) for value in call.args), named)


def _exists(name: str) -> bool:
    if name.count(".") == 1:
        plugin, function = name.split(".")
        return hasattr(getattr(vs.core, plugin, None), function)
    ours = getattr(vsvqe, name, None) if name in vsvqe.__all__ else None
    return inspect.isfunction(ours) and "clip" in inspect.signature(ours).parameters
