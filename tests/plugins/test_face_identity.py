"""Face identity: matching in closed form, and the pipeline on small ONNX networks against OpenCV's own classes.

The small detector sees a face wherever 8 x 8 pixels are pure red, and says of each that its box and landmarks lie
around that block; the small embedding is the face's means on a grid, less the middle grey.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from editmetrics import Sample, create_metric, weights
from editmetrics.plugins.face_identity import SAME_PERSON, matched_faces
from editmetrics.plugins.faces import TEMPLATE, FaceReader, alignment
from editmetrics.sample import UnavailableError

cv2 = pytest.importorskip("cv2")
onnx = pytest.importorskip("onnx")

FACE = 48
"""Height and width of a small face; its landmarks are the template's, scaled to it."""


def unit(*rows) -> np.ndarray:
    vectors = np.array(rows, float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# ---------------------------------------------------------------------- matching


def test_faces_are_matched_for_the_largest_sum_and_not_one_after_the_other():
    """cosines [[0.9, 0.8], [0.8, 0.1]]: the first face alone would take 0.9 and leave 0.1."""
    from math import acos, cos

    first, second = acos(0.9), acos(0.8)
    edited = np.array([[cos(first), np.sin(first), 0], [cos(second), -np.sin(second), 0]])
    source = np.array([[1, 0, 0], [0.0, 0, 0]])
    source[1] = np.linalg.lstsq(edited, [0.8, 0.1], rcond=None)[0]
    assert matched_faces(source, edited) == pytest.approx([0.8, 0.8])


@pytest.mark.parametrize(
    ("spec", "edited", "expected"),
    [
        ("face_identity", unit([0, 1], [1, 0]), {"similarity": 1, "faces": 1, "same": 1}),  # in another order
        ("face_identity", unit([3, 4]), {"similarity": 0.8, "faces": 0.5, "same": 0.5}),
        ("face_identity:lost=zero", unit([3, 4]), {"similarity": 0.4, "faces": 0.5, "same": 0.5}),
        ("face_identity:faces=largest", unit([3, 4]), {"similarity": 0.6, "faces": 1, "same": 1}),
        ("face_identity", unit([-1, 0], [0, -1]), {"similarity": 0, "faces": 1, "same": 0}),
        ("face_identity:embedding=auraface", unit([3, 4]), {"similarity": 0.8, "faces": 0.5}),
        ("face_identity:lost=zero", np.zeros((0, 1)), {"similarity": 0, "faces": 0, "same": 0}),
    ],
)
def test_closed_forms(spec, edited, expected):
    """The source has two faces, at right angles; the larger one is (1, 0)."""
    score = scored(spec, unit([1, 0], [0, 1]), edited)
    assert dict(score) == pytest.approx(expected)
    assert score.details["faces_edited"] == len(edited)


def scored(spec, source, edited):
    metric = create_metric(spec, device="cpu")
    dark, bright = (np.full((4, 4, 3), level, np.uint8) for level in (0, 200))
    metric.use(lambda pixels: edited if pixels.max() else source)
    (score,) = metric.score([Sample("x", edited=bright, source=dark, reference=dark)])
    return score


def test_no_face_is_an_outcome_of_its_own():
    none, one = np.zeros((0, 1)), unit([1, 0])
    skipped = scored("face_identity:against=reference", none, one)
    assert (skipped.status, skipped.reason) == ("skipped", "no face was found in the reference")
    failed = scored("face_identity", one, none)
    assert (failed.status, dict(failed)) == ("failed", {"faces": 0, "same": 0})
    assert failed.reason == "no face was found in the edited image; the source has 1"


def test_the_threshold_is_opencvs():
    below, above = (np.array([[c, (1 - c**2) ** 0.5]]) for c in (SAME_PERSON - 1e-6, SAME_PERSON + 1e-6))
    assert [scored("face_identity", unit([1, 0]), face)["same"] for face in (below, above)] == [0, 1]


def test_without_opencv_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(UnavailableError, match=r"pip install 'editmetrics\[faces\]'"):
        FaceReader("sface", 0.9)


# ---------------------------------------------------------------------- the pipeline


def model(path, nodes, constants, inputs, outputs):
    """Write an ONNX model of `nodes`: (operator, inputs, output, attributes)."""
    made = [onnx.helper.make_node(kind, ins, [out], **attributes) for kind, ins, out, attributes in nodes]
    values = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    describe = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        made,
        "small",
        [describe(name, 1, shape) for name, shape in inputs.items()],
        [describe(name, 1, shape) for name, shape in outputs.items()],
        values,
    )
    operators = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=operators, ir_version=8), str(path))


def write_detector(path):
    """Scores: 1 for a red block of the smallest stride, else 0; offsets of box and landmarks are constants."""
    nodes, constants, outputs = [], {}, {}
    landmarks = np.array(TEMPLATE) * FACE / 112
    offsets = np.stack([landmarks.real, landmarks.imag], 1) / 8 - FACE / 16 + 0.5
    biases = {"bbox": np.array([0.5, 0.5, np.log(FACE / 8), np.log(FACE / 8)]), "kps": offsets.reshape(-1)}
    for stride in (8, 16, 32):
        window = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        for head, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name = f"{head}_{stride}"
            weight = np.zeros((size, 3, stride, stride), np.float32)
            bias = biases.get(head, np.zeros(1)).astype(np.float32)
            if size == 1 and stride == 8:  # of a block of blue, green, red: the mean of red less twice the others
                weight[0] = np.array([-2, -2, 1], np.float32)[:, None, None] / (255 * 64)
            constants |= {f"{name}.weight": weight, f"{name}.bias": bias, f"{name}.shape": np.array([1, -1, size])}
            convolved = ("Conv", ["input", f"{name}.weight", f"{name}.bias"], f"{name}.map", window)
            nodes += [
                convolved,
                ("Transpose", [f"{name}.map"], f"{name}.last", {"perm": [0, 2, 3, 1]}),
                ("Reshape", [f"{name}.last", f"{name}.shape"], name, {}),
            ]
            outputs[name] = [1, (640 // stride) ** 2, size]
    model(path, nodes, constants, {"input": [1, 3, 640, 640]}, outputs)


def write_embedding(path):
    constants = {"middle": np.float32([127.5]), "shape": np.array([1, -1])}
    nodes = [
        ("Sub", ["data", "middle"], "centred", {}),
        ("AveragePool", ["centred"], "means", {"kernel_shape": [14, 14], "strides": [14, 14]}),
        ("Reshape", ["means", "shape"], "fc1", {}),
    ]
    model(path, nodes, constants, {"data": [1, 3, 112, 112]}, {"fc1": [1, 192]})


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in ("yunet-2023mar", "sface-2021dec")}
    write_detector(folders["yunet-2023mar"] / "face_detection_yunet_2023mar.onnx")
    write_embedding(folders["sface-2021dec"] / "face_recognition_sface_2021dec.onnx")
    with (
        weights.substitute("yunet-2023mar", folders["yunet-2023mar"]),
        weights.substitute("sface-2021dec", folders["sface-2021dec"]),
    ):
        yield


def drawn_face(seed: int) -> np.ndarray:
    """Coarse random colours, (FACE, FACE, 3), with a pure red block at the face's middle."""
    coarse = np.random.default_rng(seed).integers(0, 200, (6, 6, 3), np.uint8)
    face = np.asarray(Image.fromarray(coarse).resize((FACE, FACE), Image.Resampling.NEAREST)).copy()
    face[20:28, 20:28] = (255, 0, 0)
    return face


def picture(*faces: tuple[int, int, int], height: int = 128, width: int = 160) -> np.ndarray:
    """Faces, each a seed with row and column of its middle block, on grey."""
    image = np.full((height, width, 3), 90, np.uint8)
    for seed, row, column in faces:
        image[8 * row - 20 : 8 * row + 28, 8 * column - 20 : 8 * column + 28] = drawn_face(seed)
    return image


def test_faces_are_found_aligned_and_embedded_as_opencv_does(networks):
    reader = FaceReader("sface", 0.9)
    image = np.ascontiguousarray(picture((1, 4, 5), (2, 11, 14))[..., ::-1])
    found = reader.detect(image)
    corners = sorted((left, top) for left, top in found[:, :2].round(3).tolist())
    assert corners == [(20, 12), (92, 68)]  # 8 * column - 20, 8 * row - 20
    np.testing.assert_allclose(found[:, 2:4], FACE, rtol=1e-5)
    theirs = cv2.FaceRecognizerSF.create(str(weights.path("sface-2021dec")), "")
    vectors = []
    for face in found:
        row = face.astype(np.float32)[None]
        aligned = theirs.alignCrop(image, row)
        difference = np.abs(reader.align(image, face).astype(int) - aligned)
        assert difference.mean() < 0.05  # rounding of their float32 transform, which has rounded means
        vectors.append((reader.embed(aligned), theirs.feature(aligned)))
    cosine = theirs.match(vectors[0][1], vectors[1][1], cv2.FaceRecognizerSF_FR_COSINE)
    assert vectors[0][0] @ vectors[1][0] == pytest.approx(cosine, abs=1e-5)
    assert abs(cosine) < 0.9  # two faces


def test_two_people_who_change_places_are_still_the_same(networks):
    metric = create_metric("face_identity", device="cpu")
    source, swapped = picture((1, 4, 5), (2, 11, 14)), picture((2, 4, 5), (1, 11, 14))
    assert dict(metric(source, swapped)) == pytest.approx({"similarity": 1, "faces": 1, "same": 1}, abs=1e-3)
    one = metric(source, picture((2, 11, 14)))
    assert (one["similarity"], one["faces"]) == pytest.approx((1, 0.5), abs=1e-6)
    (none,) = metric.score([Sample("x", edited=np.full_like(source, 90), source=source)])
    assert (none.status, none["faces"]) == ("failed", 0)


def test_a_face_of_a_large_image_is_at_its_place(networks):
    """960 x 720 pixels are looked at as 640 x 480, where 12 x 12 red pixels are one block, at row 14 and column 28."""
    image = np.full((720, 960, 3), 90, np.uint8)
    image[168:180, 336:348] = (255, 0, 0)
    (face,) = FaceReader("sface", 0.9).detect(np.ascontiguousarray(image[..., ::-1]))
    assert face[:4] == pytest.approx([1.5 * (8 * 28 - 20), 1.5 * (8 * 14 - 20), 72, 72])
    nose = np.array([face[8], face[9]])
    expected = 1.5 * (np.array([8 * 28 - 20, 8 * 14 - 20]) + np.array([56.0252, 71.7366]) * FACE / 112)
    assert nose == pytest.approx(expected, abs=1e-3)


def test_one_face_seen_at_two_scales_is_one_face_and_the_largest_comes_first():
    def row(left, top, side, score):
        return [left, top, side, side, *[0.0] * 10, score]

    seen = {640 / 960: [row(10, 10, 40, 0.92), row(300, 20, 50, 0.91)], 320 / 960: [row(12, 11, 44, 0.95)]}
    scales = []
    reader = object.__new__(FaceReader)
    reader._cv2 = cv2
    reader._detect_at = lambda image, scale: (scales.append(scale), np.array(seen[scale]))[1]
    found = reader.detect(np.zeros((700, 960, 3), np.uint8))
    assert found.tolist() == [row(300, 20, 50, 0.91), row(12, 11, 44, 0.95)]
    assert scales == list(seen)
    seen[1.0] = np.zeros((0, 15))
    assert reader.detect(np.zeros((300, 200, 3), np.uint8)).shape == (0, 15)
    assert scales[2:] == [1.0]  # nothing is enlarged


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (33, 7)])
def test_small_and_thin_images_have_no_face(networks, size):
    assert FaceReader("sface", 0.9).read(np.full((*size, 3), 90, np.uint8)).shape[0] == 0


def test_alignment_undoes_a_similarity_transform():
    turned = Rotation.from_euler("z", 25, degrees=True).as_matrix()[:2, :2] * 1.7
    points = np.stack([np.real(TEMPLATE), np.imag(TEMPLATE)], 1) @ turned.T + (30, -12)
    found = alignment(points[:, 0] + 1j * points[:, 1])
    np.testing.assert_allclose(found[:, :2] @ turned, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(
        points @ found[:, :2].T + found[:, 2], np.stack([np.real(TEMPLATE), np.imag(TEMPLATE)], 1)
    )


def test_the_levels_that_each_network_gets(networks, tmp_path, capfd):
    """Of levels 10, 20, 30 (blue, green, red): SFace's 30 first, ArcFace's (30 - 127.5) / 127.5."""
    face = np.tile(np.uint8([10, 20, 30]), (112, 112, 1))
    for name, file in (("auraface-v1", "glintr100.onnx"), ("arcface-w600k-r50", "models/buffalo_l/w600k_r50.onnx")):
        (tmp_path / name / file).parent.mkdir(parents=True)
        write_means(tmp_path / name / file)
    levels = np.array([30, 20, 10.0])
    (folder := tmp_path / "sface").mkdir()
    write_means(folder / "face_recognition_sface_2021dec.onnx")
    with (
        weights.substitute("auraface-v1", tmp_path / "auraface-v1"),
        weights.substitute("arcface-w600k-r50", tmp_path / "arcface-w600k-r50"),
        weights.substitute("sface-2021dec", folder),
    ):
        for embedding, seen in (
            ("sface", levels), ("auraface", levels / 127.5 - 1), ("arcface", levels / 127.5 - 1)
        ):  # fmt: skip
            vector = FaceReader(embedding, 0.9).embed(face)
            np.testing.assert_allclose(vector, seen / np.linalg.norm(seen), atol=1e-4)  # sums of float32
    assert capfd.readouterr() == ("", "")  # OpenCV 5 warns of what nobody asked for


def write_means(path):
    nodes = [("GlobalAveragePool", ["data"], "means", {}), ("Reshape", ["means", "shape"], "fc1", {})]
    model(path, nodes, {"shape": np.array([1, -1])}, {"data": [1, 3, 112, 112]}, {"fc1": [1, 3]})
