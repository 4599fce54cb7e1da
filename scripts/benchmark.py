"""Measures speed and memory of the filters against the bare session and against vs-mlrt's plugins.

    pip install ".[bench]"
    python scripts/benchmark.py --out docs/benchmark.md

Every figure comes from a process of its own, and the contestants of a row take turns, so that what
else the machine does falls on all of them alike; medians are reported. The plugins run image models
only, so the same ONNX file of an image model (RGB, half resolution inside, 177K weights, made here)
is run by all; the shipped models are compared with their bare session.

All get the same: all cores, the same precision, and as many calls of the model at the same time.
"""

import argparse
import json
import os
import platform
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

IMAGE_MODEL = "image-model"
SIZES = {"270p": (480, 270), "540p": (960, 540), "1080p": (1920, 1080)}
type Render = Callable[[], Iterator[int]]
"""Renders frames, and tells after each call of the model how many."""

# How a model is driven: arrays that lie ready, our filter, or vs-mlrt's plugin.
DRIVERS = ("bare", "filter", "plugin")


def image_model(path: Path, channels: int = 64, layers: int = 4) -> None:
    """Writes an RGB image model as peers use them: 3x3 convolutions at half resolution."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights = [], []

    def conv(name: str, source: str, inputs: int, outputs: int) -> str:
        gain = (2 / (inputs * 9)) ** 0.5
        kernel = random.normal(0, gain, (outputs, inputs, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{name}.weight"))
        weights.append(numpy_helper.from_array(np.zeros(outputs, np.float32), f"{name}.bias"))
        parameters = [source, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", parameters, [name], pads=[1, 1, 1, 1]))
        return name

    nodes.append(helper.make_node("SpaceToDepth", ["input"], ["unshuffled"], blocksize=2))
    last = "unshuffled"
    for layer in range(layers + 1):
        conv(f"conv{layer}", last, 12 if layer == 0 else channels, channels)
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]))
        last = f"relu{layer}"
    conv("tail", last, channels, 12)
    nodes.append(helper.make_node("DepthToSpace", ["tail"], ["output"], blocksize=2))
    shape = [1, 3, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "image-model",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def source(width: int, height: int, length: int, rgb: bool):  # type: ignore[no-untyped-def]
    """Returns a clip that costs next to nothing to read, so that the contestants are measured."""
    import vapoursynth as vs

    if rgb:
        clip = vs.core.std.BlankClip(
            width=width, height=height, format=vs.RGBS, color=[0.4, 0.5, 0.6], keep=True
        )
    else:
        from vsvqe.evaluation.pattern import moving

        clip = moving(width, height)
    return clip.std.Loop(0)[:length] if clip.num_frames < length else clip[:length]


def measure(job: dict[str, object]) -> dict[str, float]:
    """Runs one contestant in this process; returns frames per second and peak memory in MiB."""
    import psutil

    # As in a script: before there are threads.
    import vsvqe  # noqa: F401

    process = psutil.Process()
    peak = 0
    watching = threading.Event()
    skipped = 0

    def watch() -> None:
        nonlocal peak
        while not watching.wait(0.05):
            peak = max(peak, process.memory_info().rss)

    threading.Thread(target=watch, daemon=True).start()
    # Opening models and building filters is not part of the time, nor is it of the bare session's.
    # Neither are the first frames: until the memory that a clip takes has been used once, new pages
    # cost more than the filter.
    before, counted = int(job["before"]), int(job["frames"])  # type: ignore[call-overload]
    render = contestant(job)(before + counted)
    done, start = 0, time.perf_counter()
    for frames in render():
        done += frames
        if done <= before:
            skipped, start = done, time.perf_counter()
    seconds = time.perf_counter() - start
    watching.set()
    return {
        "fps": (done - skipped) / seconds,
        "peak_mib": max(peak, process.memory_info().rss) / 2**20,
    }


def contestant(job: dict[str, object]) -> Callable[[int], Render]:
    """Returns what, given a number of frames, prepares to render them."""
    # Imported first so that the plugin of vs-mlrt finds these libraries loaded and uses them: the
    # other way round the openvino package refuses to load.
    import openvino  # noqa: F401
    import vapoursynth as vs

    driver, engine, half = job["driver"], str(job["engine"]), bool(job["half"])
    width, height = SIZES[str(job["size"])]
    model = str(job["model"])
    if driver == "bare":
        return bare(model, engine, half, width, height)

    def prepare(frames: int) -> Render:
        clip = source(width, height, frames, rgb=model.endswith(".onnx"))
        if driver == "plugin":
            core = vs.core
            if engine == "openvino":
                precision = "bf16" if half else "f32"
                result = core.ov.Model(
                    clip,
                    network_path=model,
                    device="CPU",
                    num_streams=2,
                    config=lambda: {"INFERENCE_PRECISION_HINT": precision},
                )
            else:
                # With two streams it is slower: both would take threads for all cores.
                result = core.ort.Model(clip, network_path=model)
        else:
            result = filtered(clip, model, engine, half)
        return lambda: (1 for _ in result.frames(close=True))

    return prepare


def filtered(clip, model: str, engine: str, half: bool):  # type: ignore[no-untyped-def]
    """Returns the clip through our filter."""
    import vsvqe as vqe

    fp16 = None if engine == "cpu" else half
    if model.startswith("superres"):
        return vqe.SuperRes(clip, model=model, backend=engine, fp16=fp16)
    return vqe.Deblock(clip, model=model, backend=engine, fp16=fp16)


def bare(model: str, engine: str, half: bool, width: int, height: int) -> Callable[[int], Render]:
    """Returns what runs the model on arrays that lie ready, without any video around it.

    Shapes, threads and runs at the same time are those of the filter.
    """
    import numpy as np
    import vapoursynth as vs

    from vsvqe.cards import Card, find, list_models
    from vsvqe.filters.options import Options
    from vsvqe.inference.session import SessionRequest, open_session

    options = Options(
        backend=engine,
        device_index=0,
        num_streams=None,
        fp16=half,
        tile=None,
        tile_pad=None,
        length=None,
        overlap=None,
        ensemble=1,
        sc=True,
        sc_threshold=0.04,
        engine_folder=None,
    )
    card: Card | None = None
    if not model.endswith(".onnx"):
        card = next(card for card in list_models() if card.name == model)
    if card is None:
        found = find(model, "deblock")
        shapes = (("input", (1, 3, height, width)),)
        given = 1
    else:
        found = card
        clip = vs.core.std.BlankClip(width=width, height=height, length=100)
        given, overlap = options.window(card.radius, clip, aligned=card.aligned)
        frames = given if card.aligned else given + 2 * overlap
        shapes = (
            ("y", (frames, card.luma_channels, height, width)),
            ("uv", (frames, card.chroma_channels, height // 2, width // 2)),
        )
    streams = options.cpu_streams(given)
    request = SessionRequest(
        model=found.path, sha256=found.sha256, shapes=shapes, half=half, streams=streams
    )
    session, _ = open_session(request, engine)
    scale = card.scale if card else 1
    outputs = [
        (given, planes, rows * scale, columns * scale)
        for planes, (_, (*_, rows, columns)) in zip((1 if card else 3, 2), shapes, strict=False)
    ]

    def prepare(frames: int) -> Render:
        calls = -(-frames // (given * streams))
        done: queue.SimpleQueue[int] = queue.SimpleQueue()

        def stream() -> None:
            arrays = [np.full(shape, 0.5, np.float32) for _, shape in shapes]
            results = [np.zeros(shape, np.float32) for shape in outputs]
            for _ in range(calls):
                session.run(arrays, results)
                done.put(given)

        def render() -> Iterator[int]:
            for _ in range(streams):
                threading.Thread(target=stream, daemon=True).start()
            for _ in range(calls * streams):
                yield done.get()

        return render

    return prepare


def in_process_of_its_own(job: dict[str, object]) -> dict[str, float]:
    """Runs ``measure`` in a new process."""
    answer = subprocess.run(
        [sys.executable, __file__, "--job", json.dumps(job)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def turns(jobs: list[dict[str, object]], repeats: int) -> list[list[dict[str, float]]]:
    """Lets the jobs take turns; returns the results of each."""
    results: list[list[dict[str, float]]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, collected in zip(jobs, results, strict=True):
            collected.append(in_process_of_its_own(job))
            print(
                f"{job['driver']:7} {job['engine']:9} {job['size']:6} "
                f"{Path(str(job['model'])).name} {collected[-1]['fps']:.2f} fps",
                file=sys.stderr,
            )
    return results


def shipped(names: list[str] | None) -> list[str]:
    """Returns the shipped models to measure: all that give residuals, or those of some names."""
    from vsvqe.cards import list_models

    found = [card.name for card in list_models() if card.task in ("deblock", "superres")]
    return [name for name in found if names is None or name in names]


def speed_table(models: list[str], sizes: list[str], engines: list[str], repeats: int) -> list[str]:
    """Returns the rows of the speed table."""
    rows = [
        "| model | size | backend | bare session | our filter | vs-mlrt's plugin | filter / bare "
        "| filter / plugin | peak memory: bare, filter, plugin |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in models:
        for size in sizes:
            for engine in engines:
                foreign = name.endswith(".onnx")
                drivers = DRIVERS if foreign and engine in ("cpu", "openvino") else DRIVERS[:2]
                base = {
                    "model": name,
                    "size": size,
                    "engine": engine,
                    "half": engine != "cpu",
                    "before": 24 if size != "1080p" else 10,
                    "frames": {"270p": 160, "540p": 64, "1080p": 24}[size],
                }
                results = turns([{**base, "driver": driver} for driver in drivers], repeats)
                rows.append(row("image model" if foreign else name, size, engine, results))
    return rows


def row(name: str, size: str, engine: str, results: list[list[dict[str, float]]]) -> str:
    """Formats one row: medians, and the median of the ratios of each turn."""
    fps = [statistics.median(r["fps"] for r in one) for one in results]
    ratios = [
        statistics.median(a["fps"] / b["fps"] for a, b in zip(results[1], other, strict=True))
        for other in (results[0], *results[2:])
    ]
    peaks = [statistics.median(r["peak_mib"] for r in one) for one in results]
    plugin = len(results) == 3
    cells = [
        name,
        size,
        engine,
        *(f"{value:.2f} fps" for value in fps),
        *([] if plugin else ["-"]),
        *(f"{value:.2f}" for value in ratios),
        *([] if plugin else ["-"]),
        ", ".join(f"{value:.0f}" for value in peaks) + " MiB",
    ]
    return f"| {' | '.join(cells)} |"


def memory_table(names: list[str], engine: str) -> list[str]:
    """Returns the rows that compare the peak memory of a short and of a long run."""
    rows = ["| model | size | 200 frames | 5,000 frames | ratio |", "|---|---|---|---|---|"]
    for name in names:
        job = {"driver": "filter", "engine": engine, "half": engine != "cpu", "model": name}
        peaks = [
            in_process_of_its_own({**job, "size": "270p", "frames": frames, "before": 0})[
                "peak_mib"
            ]
            for frames in (200, 5000)
        ]
        rows.append(
            f"| {name} | 270p | {peaks[0]:.0f} MiB | {peaks[1]:.0f} MiB "
            f"| {peaks[1] / peaks[0]:.3f} |"
        )
    return rows


def machine() -> str:
    """Describes the machine in a line."""
    import onnxruntime
    import openvino

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0].split(":")[1].strip() if models else name
    return (
        f"{os.cpu_count()} cores ({name}), ONNX Runtime {onnxruntime.__version__}, "
        f"OpenVINO {openvino.__version__.split('-')[0]}, Python {platform.python_version()}"
    )


def main() -> None:
    """Runs the benchmark and writes its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark.md"))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["540p", "1080p"])
    parser.add_argument("--backends", nargs="+", default=["cpu", "openvino"])
    parser.add_argument(
        "--models", nargs="+", help=f"only these; {IMAGE_MODEL} is the one made here"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="leave out the 5,000-frame runs")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(measure(json.loads(arguments.job))))
        return
    names = shipped(arguments.models)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "image-model.onnx"
        image_model(model)
        foreign = arguments.models is None or IMAGE_MODEL in arguments.models
        models = [str(model)] * foreign + names
        speed = speed_table(models, arguments.sizes, arguments.backends, arguments.repeats)
    command = "python scripts/benchmark.py " + " ".join(sys.argv[1:])
    text = [
        "# Speed and memory",
        "",
        f"Written by `{command.strip()}` on {machine()}.",
        f"Medians of {arguments.repeats} runs that took turns; ratios are medians of the ratios of "
        "each turn. The plugins are `core.ort.Model` and `core.ov.Model` of vs-mlrt, at the same "
        "precision as the filter and the number of streams that is fastest for them (1 and 2). The "
        "bare session makes as many calls at the same time as the filter. That of an own model "
        "computes residuals only: the filter also reads and aligns the frames of a moving texture, "
        "estimates the quantiser, scales and adds.",
        "",
        *speed,
    ]
    if not arguments.no_memory:
        text += [
            "",
            "Peak memory of the process, `openvino` backend:",
            "",
            *memory_table(names, "openvino"),
        ]
    arguments.out.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"wrote {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
