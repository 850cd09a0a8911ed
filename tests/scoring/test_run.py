"""The engine: one bad row is one bad row, images are decoded once, batches fill by pixels, order never matters."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from editmetrics import Dimension, Metric, Sample, Score, score
from editmetrics.files.text import DataError
from editmetrics.scoring import PlanError, decode

from .toys import Brightness, Captioned, InlineBrightness, samples_of, write_images


@pytest.mark.parametrize("metric", [Brightness, InlineBrightness])
def test_scores_come_in_the_order_of_the_samples(tmp_path, metric):
    samples = samples_of(write_images(tmp_path, 20))
    results = score(samples, metric(), workers=4, batch_pixels=100)
    assert [float(s) for s in results[metric.name]] == [10.0 * i for i in range(20)]
    assert results.all_scored


def test_every_metric_shares_one_decode(tmp_path, monkeypatch):
    decoded = Counter()
    real = decode.read_image

    def counting(image, *, name=None, profile="ignore"):
        decoded[name] += 1
        return real(image, name=name, profile=profile)

    monkeypatch.setattr(decode, "read_image", counting)
    paths = write_images(tmp_path, 5)
    score(samples_of(paths), [Brightness(), Brightness(offset=1.0), InlineBrightness()])
    assert decoded == {str(path): 1 for path in paths}


def test_one_bad_file_is_one_bad_row(tmp_path):
    paths = write_images(tmp_path, 8)
    paths[3].write_bytes(paths[3].read_bytes()[:40])
    results = score(samples_of(paths), [Brightness(), InlineBrightness()])
    for label in ("brightness", "inline_brightness"):
        statuses = [s.status for s in results[label]]
        assert statuses == ["ok"] * 3 + ["failed"] + ["ok"] * 4
        assert str(paths[3]) in results[label][3].reason
    assert not results.all_scored


def test_an_unreadable_image_fails_only_the_metrics_that_look_at_it(tmp_path):
    edited = write_images(tmp_path, 1)[0]

    class Compares(Brightness):
        name = "compares"
        needs = frozenset({"edited", "source"})

        def prepare(self, sample):
            from editmetrics.images import read_image

            return read_image(sample.source)

    results = score([Sample("a", edited=edited, source=tmp_path / "absent.png")], [Brightness(), Compares()])
    assert results["brightness"][0].ok
    assert "absent.png" in results["compares"][0].reason


def test_a_missing_field_skips_the_row(tmp_path):
    a, b = write_images(tmp_path, 2)
    results = score([Sample("a", edited=a, prompt="hello"), Sample("b", edited=b)], Captioned())
    assert [s.status for s in results["captioned"]] == ["ok", "skipped"]
    assert "prompt" in results["captioned"][1].reason


def test_batches_fill_by_pixels_and_hold_one_shape(tmp_path):
    small = samples_of(write_images(tmp_path / "small", 10, size=(4, 4)))  # 16 pixels each
    large = [
        Sample(f"large {s.id}", edited=s.edited) for s in samples_of(write_images(tmp_path / "large", 10, size=(8, 8)))
    ]
    mixed = [sample for pair in zip(small, large, strict=True) for sample in pair]

    class OneShape(Brightness):
        def score_batch(self, batch):
            assert len({item.shape for item in batch}) == 1
            return super().score_batch(batch)

    results = score(mixed, OneShape(), batch_pixels=128)
    assert results.all_scored
    assert Counter(OneShape.batches) == {
        8: 1,
        2: 6,
    }  # small: 8 of 16 pixels, then the last 2; large: 2 of 64, five times


def test_many_shapes_do_not_pile_up(tmp_path):
    """Sixty sizes, none of which ever fills a batch: the waiting images stay under four budgets."""
    samples = []
    for width in range(4, 64):
        path = tmp_path / f"{width}.png"
        Image.fromarray(np.zeros((8, width, 3), np.uint8)).save(path)
        samples.append(Sample(path.stem, edited=path))
    waiting = []

    class Watched(Brightness):
        def prepare(self, sample):
            waiting.append(1)
            return super().prepare(sample)

        def score_batch(self, batch):
            waiting.append(-len(batch))
            return super().score_batch(batch)

    assert score(samples, Watched(), batch_pixels=600, workers=1).all_scored
    assert max(np.cumsum(waiting)) < 30


def test_out_of_memory_halves_the_batch_and_leaves_the_item_unavailable(tmp_path):
    paths = write_images(tmp_path, 9)

    class SmallMemory(Brightness):
        def score_batch(self, batch):
            if len(batch) > 2 or any(item.mean() == 40 for item in batch):
                raise MemoryError("CUDA out of memory")
            return super().score_batch(batch)

    results = score(samples_of(paths), SmallMemory())
    statuses = [s.status for s in results["brightness"]]
    assert statuses == ["ok"] * 4 + ["unavailable"] + ["ok"] * 4
    assert "out of memory" in results["brightness"][4].reason


def test_a_metric_that_breaks_its_contract_has_no_score(tmp_path):
    class OutOfRange(Brightness):
        name = "out_of_range"
        dimensions = (Dimension("brightness", low=0, high=15, primary=True),)

    class NotANumber(Brightness):
        name = "not_a_number"

        def score_batch(self, batch):
            return [Score({"brightness": float("nan")}) for _ in batch]

    class TooFew(Brightness):
        name = "too_few"

        def score_batch(self, batch):
            return []

    results = score(samples_of(write_images(tmp_path, 3)), [OutOfRange(), NotANumber(), TooFew()])
    assert [s.status for s in results["out_of_range"]] == ["ok", "ok", "failed"]
    assert "outside its declared range 0 to 15" in results["out_of_range"][2].reason
    assert {s.status for s in results["not_a_number"] + results["too_few"]} == {"failed"}


def test_images_in_memory_are_samples_too():
    array = np.full((4, 4, 3), 100, np.uint8)
    results = score(
        [Sample("array", edited=array), Sample("pil", edited=Image.fromarray(array))],
        [Brightness(), InlineBrightness()],
    )
    assert [float(s) for s in results["brightness"]] == [100.0, 100.0]


def test_rows_are_reported_once_each(tmp_path):
    seen = []
    samples = samples_of(write_images(tmp_path, 12))
    score(samples, [Brightness(), InlineBrightness()], on_row=lambda sample, row: seen.append((sample.id, sorted(row))))
    assert sorted(seen) == [(sample.id, ["brightness", "inline_brightness"]) for sample in samples]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda s: score([*s, s[0]], Brightness()), "ids must be unique"),
        (lambda s: score(s, []), "no metric"),
        (lambda s: score(s, Captioned()), "requires prompt"),
        (lambda s: score(s, Brightness(), retry=["broken"]), "broken is not a status"),
        (lambda s: score(s, Brightness(), output="scores.xlsx"), ".csv, .jsonl or .parquet"),
    ],
)
def test_a_run_that_cannot_start_says_why(tmp_path, make, said):
    with pytest.raises((PlanError, DataError), match=said.replace(".", r"\.")):
        make(samples_of(write_images(tmp_path, 2)))


def test_a_metric_named_twice_is_computed_once(tmp_path):
    results = score(samples_of(write_images(tmp_path, 3)), [Brightness(), Brightness()], batch_pixels=1)
    assert [column.label for column in results.columns] == ["brightness"]
    assert Brightness.batches == [1, 1, 1]


def test_an_error_in_the_engine_is_not_a_score(tmp_path):
    """Only a sample's own trouble is kept as a row; trouble with the metric itself stops the run before it starts."""

    class NoWeights(Brightness):
        def load(self):
            raise OSError("no weights")

    output = tmp_path / "scores.csv"
    with pytest.raises(OSError, match="no weights"):
        score(samples_of(write_images(tmp_path, 2)), NoWeights(), output=output)
    assert not output.exists()


def test_threads_of_torch_are_as_before(tmp_path):
    import torch

    before = torch.get_num_threads()
    score(samples_of(write_images(tmp_path, 2)), InlineBrightness())
    assert torch.get_num_threads() == before


def test_metric_is_abstract():
    with pytest.raises(TypeError):
        Metric()
