"""Tiny ONNX files, made on the spot."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16

# The models that the filters use when none is named, SuperRes to double.
DEFAULTS = {"deblock": "deblock-balanced-v7", "superres": "superres-x2-balanced-v4"}

type Shape = Sequence[int | str | None]


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[tuple[str, int, Shape]],
    outputs: Sequence[tuple[str, int, Shape]],
    constants: dict[str, np.ndarray] | None = None,
) -> Path:
    """Writes a graph as an ``.onnx`` file and returns its path."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(*tensor) for tensor in inputs],
        [helper.make_tensor_value_info(*tensor) for tensor in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="test"
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def nearest(
    folder: Path,
    *,
    scale: int = 1,
    channels: int | str = 3,
    dtype: int = FLOAT,
    size: tuple[int, int] | None = None,
    multiple: int = 1,
) -> Path:
    """A model that repeats every pixel ``scale`` times: its picture is known beforehand.

    Args:
        folder: Where to put the file.
        scale: 1 is the identity.
        channels: A number, or a name: then any number goes.
        dtype: ``FLOAT`` or ``HALF``.
        size: Width and height, if it is to take no other.
        multiple: It refuses sizes that this does not divide (through a pixel-unshuffle).
    """
    height, width = (size[1], size[0]) if size else ("h", "w")
    nodes, last = [], "in"
    if multiple > 1:
        nodes += [
            helper.make_node("SpaceToDepth", [last], ["deep"], blocksize=multiple),
            helper.make_node("DepthToSpace", ["deep"], ["flat"], blocksize=multiple),
        ]
        last = "flat"
    constants = {}
    if scale > 1:
        constants["scales"] = np.array([1, 1, scale, scale], np.float32)
        nodes.append(
            helper.make_node(
                "Resize",
                [last, "", "scales"],
                ["out"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        )
    else:
        nodes.append(helper.make_node("Identity", [last], ["out"]))
    path = folder / f"x{scale}c{channels}t{dtype}s{height}{width}m{multiple}.onnx"
    return write(
        path,
        nodes,
        inputs=[("in", dtype, [1, channels, height, width])],
        outputs=[("out", dtype, [1, channels, None, None])],
        constants=constants,
    )


def one_node(
    path: Path,
    operator: str,
    inputs: Sequence[tuple[str, int, Shape]],
    output: tuple[int, Shape],
    **attributes: object,
) -> Path:
    """A model of a single operator."""
    node = helper.make_node(operator, [name for name, _, _ in inputs], ["out"], **attributes)
    return write(path, [node], inputs=inputs, outputs=[("out", *output)])


def blur(folder: Path, radius: int = 8) -> Path:
    """An RGB model that averages ``2 * radius + 1`` pixels across and down."""
    side = 2 * radius + 1
    weights = np.zeros((3, 3, side, side), np.float32)
    for channel in range(3):
        weights[channel, channel] = 1 / side**2
    node = helper.make_node("Conv", ["in", "weights"], ["out"], pads=[radius] * 4)
    return write(
        folder / f"blur{radius}.onnx",
        [node],
        inputs=[("in", FLOAT, [1, 3, "h", "w"])],
        outputs=[("out", FLOAT, [1, 3, "h", "w"])],
        constants={"weights": weights},
    )


def windowed(
    folder: Path, task: str, scale: int, radius: int = 2, reach: int = 6, aligned: bool = False
) -> Path:
    """A model of the planes layout, with its card, in which every frame of the window counts.

    Each frame of the window goes through a convolution of its own whose outermost weights are as
    heavy as the others; so a wrong neighbour, and a tile that lacks context, show at once. An
    aligned one is told the quantiser, too, and multiplies everything by it.

    Args:
        folder: Of model cards.
        task: ``"deblock"`` or ``"superres"``.
        scale: 1 or 2.
        radius: Frames on each side.
        reach: Pixels of luma, and samples of chroma, on each side of the convolutions.
        aligned: Whether it wants aligned windows rather than a run of frames.
    """
    rng = np.random.default_rng(scale)
    side = 2 * reach + 1
    frames = 2 * radius + 1
    nodes, constants = [], {name: np.array([n], np.int64) for n, name in enumerate(("zero", "one"))}
    outputs = []
    told = aligned
    if told:
        constants["map"] = np.array([2 * frames], np.int64)
        constants["end"] = np.array([2 * frames + 1], np.int64)
        constants["more"] = np.array(1.5, np.float32)
        nodes += [
            helper.make_node("Slice", ["uv", "map", "end", "one"], ["plane"]),
            helper.make_node("Add", ["plane", "more"], ["uvtimes"]),
            helper.make_node("Concat", ["uvtimes"] * 4, ["four"], axis=1),
            helper.make_node("DepthToSpace", ["four"], ["ytimes"], blocksize=2),
        ]
    for name, channels in (("y", 1), ("uv", 2)):
        terms = []
        for i in range(frames):
            # A slice of frames out of a run of them, or of channels out of a window.
            start, end = (i * channels, (i + 1) * channels) if aligned else (i, i - 2 * radius)
            part, weights = f"{name}{i}", f"{name}{i}weights"
            constants[f"{part}from"] = np.array([start], np.int64)
            constants[f"{part}to"] = np.array([end or np.iinfo(np.int64).max], np.int64)
            shape = (channels * scale**2, channels, side, side)
            constants[weights] = rng.choice([-1.0, 1.0], shape).astype(np.float32) * 0.3 / side**2
            bounds = [f"{part}from", f"{part}to", "one" if aligned else "zero"]
            nodes += [
                helper.make_node("Slice", [name, *bounds], [part]),
                helper.make_node("Conv", [part, weights], [f"{part}out"], pads=[reach] * 4),
            ]
            terms.append(f"{part}out")
        nodes.append(helper.make_node("Sum", terms, [f"{name}sum"]))
        last = f"{name}sum"
        if told:
            nodes.append(helper.make_node("Mul", [last, f"{name}times"], [f"{name}told"]))
            last = f"{name}told"
        residual = [f"{name}_residual"]
        # Of blocks of one, the operator changes nothing.
        nodes.append(helper.make_node("DepthToSpace", [last], residual, blocksize=scale))
        outputs.append((f"{name}_residual", FLOAT, [None, channels, None, None]))
    name = DEFAULTS[task]
    path = write(
        folder / f"{name}.onnx",
        nodes,
        inputs=[
            ("y", FLOAT, ["t", frames if aligned else 1, "h", "w"]),
            ("uv", FLOAT, ["t", (2 * frames if aligned else 2) + told, "h2", "w2"]),
        ],
        outputs=outputs,
        constants=constants,
    )
    card = {
        "name": name,
        "task": task,
        "description": "For tests.",
        "scale": scale,
        "layout": "planes",
        "offsets": list(range(-radius, radius + 1)),
        "aligned": aligned,
        "receptive_field": 2 * reach,
        "base": "bicubic" if scale > 1 else None,
        # Steep, so that an estimate of the wrong frame shows.
        "response": [[0.0, 0.0, 0.5], [51.0, 1.7, 1.2]] if task == "deblock" else [],
        "quantiser_map": [8.0, 51.0] if told else None,
        "parameters": 1,
        "licence": "MIT",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (folder / f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    return path


def averaging_runs(folder: Path, *, scale: int = 1, frames: int | str = "t") -> Path:
    """A model of runs of RGB frames: the mean of each, the one before and the one after, enlarged.

    At the ends of a run the frames that are missing don't count. Every pixel is repeated.

    Args:
        folder: Where to put the file.
        scale: How many times larger its pictures are.
        frames: Of a run: a number, or a name, then any number goes.
    """
    nodes = [
        helper.make_node("Transpose", ["in"], ["deep"], perm=[0, 2, 1, 3, 4]),
        helper.make_node(
            "AveragePool",
            ["deep"],
            ["mean"],
            kernel_shape=[3, 1, 1],
            pads=[1, 0, 0, 1, 0, 0],
            count_include_pad=0,
        ),
        helper.make_node("Transpose", ["mean"], ["flat"], perm=[0, 2, 1, 3, 4]),
        helper.make_node(
            "Resize",
            ["flat", "", "scales"],
            ["out"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ]
    return write(
        folder / f"runs{frames}x{scale}.onnx",
        nodes,
        inputs=[("in", FLOAT, [1, frames, 3, "h", "w"])],
        outputs=[("out", FLOAT, [1, frames, 3, None, None])],
        constants={"scales": np.array([1, 1, 1, scale, scale], np.float32)},
    )
