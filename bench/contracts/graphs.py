"""Small networks without training whose answers can be checked from the pixels.

They find bright balls and disks by the contrast of a middle to what is round it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]
KEPT = 32
"""Boxes that a detector gives, most of them of no contrast."""


class Graph:
    """Nodes and constants on the way to a model."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """One operation; the name of its first output."""
        made = outputs or (f"{kind.lower()}_{len(self.nodes)}",)
        self.nodes.append(helper.make_node(kind, list(inputs), list(made), **attributes))
        return made[0]

    def constant(self, values: npt.ArrayLike, dtype: type = np.float32) -> str:
        """A constant; its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.asarray(values, dtype), name)
        return name

    def content(
        self, inputs: dict[str, tuple[str | int, ...]], outputs: dict[str, tuple[str | int, ...]]
    ) -> bytes:
        """The model's file: float inputs and outputs of these shapes, ``labels`` in int64."""

        def told(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
            kind = TensorProto.INT64 if name == "labels" else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, list(shape))

        graph = helper.make_graph(
            self.nodes,
            "example",
            [told(name, shape) for name, shape in inputs.items()],
            [told(name, shape) for name, shape in outputs.items()],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content


def middles(radii_mm: Sequence[float], cell_mm: Sequence[float]) -> Array:
    """Kernels, one a radius: mean of the ball less mean of a shell from 1.5 to 1.9 radii.

    Shape (radii, 1, ...) with odd sizes; the contrast of a ball of just that radius is largest.
    """
    sizes = [2 * int(np.ceil(1.9 * max(radii_mm) / c)) + 1 for c in cell_mm]
    axes = [(np.arange(n) - n // 2) * c for n, c in zip(sizes, cell_mm, strict=True)]
    away = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij", sparse=True)))
    kernels = []
    for radius in radii_mm:
        ball, shell = away <= radius, (away > 1.5 * radius) & (away <= 1.9 * radius)
        kernels.append(ball / ball.sum() - shell / shell.sum())
    return np.asarray(kernels, np.float32)[:, None]


def best(
    graph: Graph, image: str, radii_mm: Sequence[float], cell_mm: Sequence[float], half: float
) -> tuple[str, list[str], str]:
    """The places of most contrast: scores (KEPT,), coordinates by axis (KEPT,), radii (KEPT,).

    Parameters
    ----------
    graph : Graph
    image : str
        Shape (1, 1, ...).
    radii_mm, cell_mm : sequence of float
    half : float
        Contrast whose score is one half.
    """
    axes = len(cell_mm)
    kernel = middles(radii_mm, cell_mm)
    around = [n // 2 for n in kernel.shape[2:]]
    # The edge goes on: nothing is bright there.
    pads = graph.constant([0, 0, *around, 0, 0, *around], np.int64)
    wide = graph.node("Pad", [image, pads], mode="edge")
    contrast = graph.node("Conv", [wide, graph.constant(kernel)])
    logit = graph.node(
        "Div",
        [graph.node("Sub", [contrast, graph.constant(half)]), graph.constant(half / 6)],
    )
    reach = [max(1, int(np.ceil(min(radii_mm) / c))) for c in cell_mm]
    top = graph.node(
        "MaxPool", [logit], kernel_shape=[2 * r + 1 for r in reach], pads=[*reach, *reach]
    )
    peak = graph.node("Where", [graph.node("Equal", [logit, top]), logit, graph.constant(-50.0)])
    flat = graph.node("Reshape", [peak, graph.constant([-1], np.int64)])
    values, places = "values", "places"
    graph.node(
        "TopK", [flat, graph.constant([KEPT], np.int64)], values, places, largest=1, sorted=1
    )
    scores = graph.node("Sigmoid", [values])
    shape = graph.node("Shape", [peak])
    rest, coordinates = places, []
    for axis in reversed(range(axes)):
        size = graph.node("Gather", [shape, graph.constant(2 + axis, np.int64)])
        coordinates.append(graph.node("Mod", [rest, size]))
        rest = graph.node("Div", [rest, size])
    radii = graph.node("Gather", [graph.constant(radii_mm), rest])
    floats = [graph.node("Cast", [c], to=TensorProto.FLOAT) for c in reversed(coordinates)]
    return scores, floats, radii


def corner_boxes(
    graph: Graph, coordinates: Sequence[str], radii: str, cell_mm: Sequence[float], name: str
) -> None:
    """Boxes (KEPT, 2 x axes): low corner, high corner; whole numbers at the middle of cells."""
    ends = []
    for add in ("Sub", "Add"):
        for coordinate, cell in zip(coordinates, cell_mm, strict=True):
            radius = graph.node("Div", [radii, graph.constant(cell)])
            ends.append(graph.node(add, [coordinate, radius]))
    _stacked(graph, ends, 1, name)


def _stacked(graph: Graph, columns: Sequence[str], axis: int, name: str) -> None:
    each = [graph.node("Unsqueeze", [c, graph.constant([axis], np.int64)]) for c in columns]
    graph.node("Concat", each, name, axis=axis)


def volume_boxes() -> bytes:
    """Balls of 3 to 8 mm radius in cells of 2.5 x 2.5 x 3 mm, HU as 0 to 1 from -1000 to 400."""
    graph, cell_mm = Graph(), (2.5, 2.5, 3.0)
    scores, places, radii = best(graph, "image", (3.0, 4.0, 5.5, 7.5), cell_mm, 0.3)
    corner_boxes(graph, places, radii, cell_mm, "boxes")
    graph.node("Identity", [scores], "scores")
    count = graph.constant(np.zeros(KEPT), np.int64)
    graph.node("Identity", [count], "labels")
    return graph.content(
        {"image": (1, 1, "a", "b", "c")},
        {"boxes": (KEPT, 6), "scores": (KEPT,), "labels": (KEPT,)},
    )


def volume_segmenter() -> bytes:
    """Two channels for softmax: 0, and how far HU, from -1000 to 400 as 0 to 1, exceeds -450."""
    graph = Graph()
    above = graph.node("Sub", ["image", graph.constant(550 / 1400)])
    logit = graph.node("Div", [above, graph.constant(30 / 1400)])
    nothing = graph.node("Mul", [logit, graph.constant(0.0)])
    graph.node("Concat", [nothing, logit], "logits", axis=1)
    shape = (1, 1, "a", "b", "c")
    return graph.content({"image": shape}, {"logits": (1, 2, "a", "b", "c")})


def volume_labels() -> bytes:
    """A map of labels: 1 where HU exceed -450, 2 where they exceed 150."""
    graph = Graph()
    found = []
    for level in (-450, 150):
        share = graph.constant((level + 1000) / 1400)
        found.append(
            graph.node("Cast", [graph.node("Greater", ["image", share])], to=TensorProto.INT64)
        )
    graph.node("Add", found, "labels")
    shape = (1, 1, "a", "b", "c")
    return graph.content({"image": shape}, {"labels": shape})


def volume_false_positive() -> bytes:
    """Two classes for softmax: 0, and how dense the middle ball of 2 mm is, of 20 x 36 x 36."""
    graph = Graph()
    size, cell_mm = (20, 36, 36), (1.25, 0.7, 0.7)
    axes = [(np.arange(n) - (n - 1) / 2) * c for n, c in zip(size, cell_mm, strict=True)]
    away = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij", sparse=True)))
    ball = np.asarray((away <= 2.0) / (away <= 2.0).sum(), np.float32)[None, None]
    product = graph.node("Mul", ["patch", graph.constant(ball)])
    axes_of = graph.constant([2, 3, 4], np.int64)
    mean = graph.node("ReduceSum", [product, axes_of], keepdims=0)
    # HU from -1000 to 400 come as 0 to 1: -100 HU is the middle.
    above = graph.node("Sub", [mean, graph.constant(900 / 1400)])
    logit = graph.node("Div", [above, graph.constant(50 / 1400)])
    nothing = graph.node("Mul", [logit, graph.constant(0.0)])
    graph.node("Concat", [nothing, logit], "classes", axis=1)
    return graph.content({"patch": (1, 1, *size)}, {"classes": (1, 2)})


SIDE, CELL_MM = 384, 0.6
"""Cells along a side of the image detector's input, and their size."""


def image_boxes() -> bytes:
    """One column a box, as YOLO exports: centre, size, and one class; disks of 4 to 9 mm."""
    graph, cell = Graph(), CELL_MM
    grey = graph.node("ReduceMean", ["images"], axes=[1], keepdims=1)
    scores, (row, column), radii = best(graph, grey, (4.0, 6.0, 9.0), (cell, cell), 0.2)
    side = graph.node("Mul", [radii, graph.constant(2 / cell)])
    half = graph.constant(0.5)
    x, y = graph.node("Add", [column, half]), graph.node("Add", [row, half])
    _stacked(graph, [x, y, side, side, scores], 0, "table")
    graph.node("Unsqueeze", ["table", graph.constant([0], np.int64)], "output0")
    return graph.content({"images": (1, 3, SIDE, SIDE)}, {"output0": (1, 5, KEPT)})


EXAM = (512, 384)
EXAM_MM = 0.4


def mammo_exam() -> bytes:
    """Four views in, log-probabilities of two classes for four labels out, by CC and by MLO.

    A breast's malignancy in a view is that of its disk of 6 mm radius of most contrast; nothing
    is said of benign findings.
    """
    graph = Graph()
    kernel = graph.constant(middles((6.0,), (EXAM_MM, EXAM_MM)))
    for projection in ("CC", "MLO"):
        pairs = []
        for side in ("L", "R"):
            contrast = graph.node("Conv", [f"{side}-{projection}", kernel])
            most = graph.node("ReduceMax", [contrast], axes=[2, 3], keepdims=0)
            above = graph.node("Sub", [most, graph.constant(0.2)])
            logit = graph.node("Div", [above, graph.constant(0.02)])
            nothing = graph.node("Mul", [logit, graph.constant(0.0)])
            pairs.append(graph.node("Concat", [nothing, logit], axis=1))
        benign = [graph.node("Mul", [pair, graph.constant(0.0)]) for pair in pairs]
        each = [
            graph.node("Unsqueeze", [pair, graph.constant([1], np.int64)])
            for pair in (*benign, *pairs)
        ]
        labels = graph.node("Concat", each, axis=1)
        graph.node("LogSoftmax", [labels], projection.lower(), axis=2)
    return graph.content(
        {f"{s}-{p}": (1, 1, *EXAM) for s in ("L", "R") for p in ("CC", "MLO")},
        {"cc": (1, 4, 2), "mlo": (1, 4, 2)},
    )
