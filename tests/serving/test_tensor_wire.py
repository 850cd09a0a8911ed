"""The safetensors files of requests: read and written as the library does, without its copies."""

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load, save

from editmetrics import Sample
from editmetrics.serving.tensor_wire import packed_request, packed_sample, unpacked_request
from editmetrics.serving.wire import RequestError

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)
UNIT = RANDOM.random((4, 6, 3), np.float32)
TENSORS = {"a": PIXELS, "b": UNIT, "c": RANDOM.random((3, 3, 3)), "d": np.arange(5, dtype=np.uint16)}
REQUEST = {"request": json.dumps({"samples": []})}


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changed):
    return {"dtype": "U8", "shape": [2, 1, 3], "data_offsets": [0, 6]} | changed


def test_the_library_reads_what_is_sent():
    sample = Sample("1", edited=PIXELS[:, ::-1], source=[UNIT, PIXELS], prompt="é")
    body = b"".join(packed_request([packed_sample(sample, "0")], timeout=3))
    tensors = load(body)
    assert all(np.array_equal(tensors[name], array) for name, array in
               {"0.edited.0": PIXELS[:, ::-1], "0.source.0": UNIT, "0.source.1": PIXELS}.items())  # fmt: skip
    request, own = unpacked_request(body)
    assert request["timeout"] == 3
    assert request["samples"][0]["prompt"] == "é"
    assert own.keys() == tensors.keys()


def test_big_endian_numbers_are_sent_as_what_they_are():
    body = b"".join(packed_request([({}, {"a": UNIT.astype(">f4")})]))
    assert np.array_equal(load(body)["a"], UNIT)


@pytest.mark.parametrize("shift", [0, 1], ids=["aligned", "at an odd address"])
def test_what_the_library_writes_is_read(shift):
    whole = bytearray(shift) + bytearray(save(TENSORS, REQUEST))
    _, tensors = unpacked_request(memoryview(whole)[shift:])
    for name, array in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].flags.aligned) == (array.dtype, True)
        assert np.array_equal(tensors[name], array)


def test_tensors_are_the_body_itself_and_read_only():
    body = bytearray(save({"a": PIXELS}, REQUEST))
    tensor = unpacked_request(body)[1]["a"]
    body[-1] ^= 255
    assert tensor[-1, -1, -1] == PIXELS[-1, -1, -1] ^ 255
    assert not tensor.flags.writeable


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (entry(data_offsets=[0, 7]), "outside the 6 bytes"),
        (entry(data_offsets=[-6, 0]), "outside"),
        (entry(data_offsets=[6, 0]), "outside"),
        (entry(data_offsets=[0, 3]), "do not hold U8"),
        (entry(shape=[-2, -1, 3]), "do not hold"),
        (entry(shape=[1 << 40, 1 << 40, 3]), "do not hold"),
        (entry(dtype="F32"), "do not hold F32"),
        (entry(dtype="BF16"), "BF16"),
        (entry(shape="23"), "TypeError"),
        (entry(shape=None), "TypeError"),
        (entry(shape=[2.0, 1, 3]), "TypeError"),
        (entry(data_offsets=[0.0, 6.0]), "TypeError"),
        (entry(data_offsets=[0]), "ValueError"),
        (entry(more=1), "more"),
        ([], "TypeError"),
        (None, "TypeError"),
    ],
)
def test_a_wrong_header_is_refused(wrong, reason):
    with pytest.raises(RequestError, match=reason):
        unpacked_request(file_of({"__metadata__": REQUEST, "a": wrong}, bytes(6)))


@pytest.mark.parametrize(
    "body",
    [b"", b"\x01", b"\xff" * 40, file_of(b"{}"), file_of(b"[]"), file_of(b"[" * 100_000), file_of(b"\xff"),
     file_of({"__metadata__": []}), file_of({"__metadata__": {"request": {}}}), save({"a": PIXELS})[:-1]],
)  # fmt: skip
def test_another_file_is_refused(body):
    with pytest.raises(RequestError, match="cannot read the safetensors file"):
        unpacked_request(body)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_is_reused():
    """Four blocks of 8 MB at a time, as requests have them: 8192 pages that the kernel clears each time, or none."""
    program = """
import resource
from editmetrics.serving.memory import keep_freed_memory

def faults():
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [b"x" * (8 << 20) for _ in range(4)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start

before = min(faults() for _ in range(3))
print(keep_freed_memory(), before, min(faults() for _ in range(3)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kept, before, after = answer.stdout.split()
    if kept == "False":
        pytest.skip("another C library, or its settings stand in the environment")
    assert int(before) > 4000
    assert int(after) < 100
