"""`editmetrics pristine`: models of natural photographs of one's own."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file

from editmetrics import Sample, create_metric
from editmetrics.plugins.ilniqe import ILNIQE
from editmetrics.plugins.natural_scenes.command import pristine
from editmetrics.plugins.natural_scenes.pristine import fit_pristine
from editmetrics.plugins.niqe import niqe_features
from editmetrics.testing.toys import picture


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(4):
        Image.fromarray(picture(seed, 288, 384)).save(folder / f"{seed}.png")
    return folder


def run(*arguments):
    return CliRunner().invoke(pristine, [str(argument) for argument in arguments])


def test_a_model_of_photographs_is_what_python_fits(photographs, tmp_path):
    file = tmp_path / "models" / "mine.safetensors"
    done = run("niqe", photographs, "-o", file, "--sharpness", 0, "-q")
    assert done.exit_code == 0, done.output
    assert "of 4 photographs" in done.output
    assert f"-m niqe:parameters={file}" in done.output
    samples = [Sample(str(seed), edited=photographs / f"{seed}.png") for seed in range(4)]
    model, fitted = load_file(file), fit_pristine(create_metric("niqe"), samples, 0.0)
    metric = create_metric("niqe", parameters=str(file))
    levels = [metric.gray(metric.prepare(sample)["edited"]) for sample in samples]
    features = np.concatenate([niqe_features(gray)[0] for gray in levels])
    assert len(features) == 48
    np.testing.assert_allclose(model["mean"], features.mean(0), rtol=1e-12)
    np.testing.assert_allclose(model["covariance"], np.cov(features.T), rtol=1e-9, atol=1e-15)
    for name, array in fitted.items():
        assert (array == model[name]).all()
    assert float(metric(samples[0])) < float(metric(picture(9, 288, 384)[::2, ::2].repeat(2, 0).repeat(2, 1)))


def test_blocks_count_that_are_sharp():
    image = picture(0, 288, 384)
    image[:, :192] = image[:, :192] // 2  # half the contrast in six of the twelve blocks
    metric = create_metric("niqe")
    sample = Sample("half", edited=image)
    features, _ = metric.pristine_features(metric.prepare(sample)["edited"])
    metric.FEATURES = 1  # so that few blocks suffice
    metric.model_of = lambda counted: {"counted": counted}
    left = np.tile([True, True, False, False], 3)
    np.testing.assert_array_equal(fit_pristine(metric, [sample])["counted"], features[~left])
    np.testing.assert_array_equal(fit_pristine(metric, [sample], 0.2)["counted"], features)


def test_what_is_refused(photographs, tmp_path):
    file = tmp_path / "mine.safetensors"
    assert "brisque has no model of natural photographs" in run("brisque", photographs, "-o", file).output
    assert "does not end in .safetensors" in run("niqe", photographs, "-o", tmp_path / "mine.npz").output
    few = run("niqe", photographs, "-o", file, "--sharpness", 0.999, "-q")
    assert "4 photographs have 4 sharp blocks; a model for niqe needs more than 36" in str(few.exception)
    file.write_text("kept")
    assert "exists, and is kept" in str(run("niqe", photographs, "-o", file).exception)
    assert run("niqe:convention=basicsr", photographs, "-o", file, "--overwrite", "--sharpness", 0).exit_code == 0
    assert file.stat().st_size > 10_000


def test_the_model_of_ilniqe_is_of_principal_directions():
    random = np.random.default_rng(0)
    features = random.standard_normal((600, 468)) * random.uniform(0.1, 3, 468) + random.uniform(0, 9, 468)
    model = ILNIQE().model_of(features)
    ILNIQE().check_parameters(model, "a file")
    directions = model["directions"]
    assert directions.shape == (468, 430)  # as many as the authors'
    np.testing.assert_allclose(directions.T @ directions, np.eye(430), atol=1e-9)
    np.testing.assert_allclose(model["mean"], 0, atol=1e-9)
    variances = np.linalg.eigvalsh(np.cov(features.T))[::-1][:430]
    np.testing.assert_allclose(model["covariance"], np.diag(variances), atol=1e-9)
