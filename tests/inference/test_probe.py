"""What is no picture-to-picture model is refused, with what it is and what is needed."""

import hashlib

import onnx
import pytest
import vapoursynth as vs
from onnx import TensorProto
from support.clips import scene
from support.models import FLOAT, HALF, nearest, one_node

import vsvqe as vqe
from vsvqe.inference.probe import probe

PICTURE = [1, 3, "h", "w"]


def probed(path):
    return probe(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [FLOAT, HALF])
def test_reads_scale_and_channels(tmp_path, scale, channels, dtype):
    found = probed(nearest(tmp_path, scale=scale, channels=channels, dtype=dtype))
    assert (found.scale, found.channels, found.multiple) == (scale, channels, 1)
    assert (found.input, found.size) == ("in", None)


@pytest.mark.parametrize("multiple", [1, 2, 4, 8, 16, 64])
def test_finds_the_multiple(tmp_path, multiple):
    assert probed(nearest(tmp_path, multiple=multiple)).multiple == multiple


def test_reads_the_only_size(tmp_path):
    assert probed(nearest(tmp_path, scale=2, size=(80, 48))).size == (80, 48)


def two_inputs(path):
    tensors = [("a", FLOAT, PICTURE), ("b", FLOAT, PICTURE)]
    return one_node(path, "Add", tensors, (FLOAT, PICTURE))


def rank_three(path):
    return one_node(path, "Relu", [("in", FLOAT, [3, "h", "w"])], (FLOAT, [3, "h", "w"]))


def four_channels(path):
    return one_node(path, "Relu", [("in", FLOAT, [1, 4, "h", "w"])], (FLOAT, [1, 4, "h", "w"]))


def batch_of_two(path):
    return one_node(path, "Relu", [("in", FLOAT, [2, 3, "h", "w"])], (FLOAT, [2, 3, "h", "w"]))


def integers(path):
    tensor = [("in", TensorProto.UINT8, PICTURE)]
    return one_node(path, "Identity", tensor, (TensorProto.UINT8, PICTURE))


def one_side_fixed(path):
    return one_node(path, "Relu", [("in", FLOAT, [1, 3, 64, "w"])], (FLOAT, [1, 3, 64, "w"]))


def other_channels_out(path):
    return one_node(
        path,
        "ReduceMean",
        [("in", FLOAT, PICTURE)],
        (FLOAT, [1, 1, "h", "w"]),
        axes=[1],
        keepdims=1,
    )


def shrinks(path):
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    return one_node(
        path, "MaxPool", [("in", FLOAT, PICTURE)], (FLOAT, [1, 3, "a", "b"]), **attributes
    )


def enlarges_by_five(path):
    return nearest(path.parent, scale=5).rename(path)


def text(path):
    path.write_text("This is not a model.\n" * 50)
    return path


def empty(path):
    path.write_bytes(b"")
    return path


def truncated(path):
    whole = nearest(path.parent, scale=2).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def unknown_operator(path):
    node = onnx.helper.make_node("NoSuchThing", ["in"], ["out"], domain="nowhere")
    graph = onnx.helper.make_graph(
        [node],
        "test",
        [onnx.helper.make_tensor_value_info("in", FLOAT, PICTURE)],
        [onnx.helper.make_tensor_value_info("out", FLOAT, PICTURE)],
    )
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return path


def a_folder(path):
    path.mkdir()
    return path


def missing(path):
    return path


def weights_elsewhere(path):
    whole = nearest(path.parent, scale=2)
    onnx.save_model(
        onnx.load(whole),
        path,
        save_as_external_data=True,
        location="beside.data",
        size_threshold=0,
        convert_attribute=True,
    )
    return path


def double_precision_out(path):
    nodes = [("in", FLOAT, PICTURE)]
    return one_node(path, "Cast", nodes, (TensorProto.DOUBLE, PICTURE), to=TensorProto.DOUBLE)


def no_picture(path):
    return one_node(path, "Relu", [("in", FLOAT, [1, 3, 0, 0])], (FLOAT, [1, 3, 0, 0]))


BAD = {
    weights_elsewhere: r"another file \(beside.data\); make it one file",
    double_precision_out: "float32 and float16",
    no_picture: "holds no picture",
    two_inputs: "2 inputs",
    rank_three: "N x C x H x W",
    four_channels: "4 channels",
    batch_of_two: "2 pictures at once",
    integers: "float32 and float16",
    one_side_fixed: "fixes one side only",
    other_channels_out: "not a picture-to-picture model",
    shrinks: "not a picture-to-picture model",
    enlarges_by_five: "not a picture-to-picture model",
    text: "can't be run by ONNX Runtime",
    empty: "can't be run by ONNX Runtime",
    truncated: "can't be run by ONNX Runtime",
    unknown_operator: "can't be run by ONNX Runtime",
    a_folder: "can't be read",
    missing: "can't be read: No such file",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
def test_refuses(make, filter, tmp_path, backend):
    path = make(tmp_path / "model.onnx")
    with pytest.raises(vs.Error, match=rf"^{filter.__name__}: .*model\.onnx.*{BAD[make]}") as error:
        filter(scene(), model=path, backend=backend)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("format", [vs.RGBS, vs.YUV420P8])
def test_a_model_that_answers_with_nan_is_an_error(tmp_path, format):
    # What a model gives whose half precision overflows; it would be black, or garbage.
    tensor = ("in", FLOAT, PICTURE)
    path = one_node(tmp_path / "nan.onnx", "Acosh", [tensor], (FLOAT, PICTURE))
    result = vqe.Deblock(scene(32, 32, 2, format), model=path, backend="cpu")
    with pytest.raises(vs.Error, match=r"Deblock: frames 0 to 0: nan.onnx .*NaN"):
        result.get_frame(0)
