"""The parts that set the published methods apart, each against a closed form or another library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from editmetrics.mllm.losses import fidelity_loss
from editmetrics.plugins.conformance import clip as clip_stand_in
from editmetrics.plugins.image_regressor.backbones import (
    ClipBackbone,
    PatchEncoder,
    StandardisedConvolution,
    same_padding,
)
from editmetrics.plugins.image_regressor.heads import RatingHead
from editmetrics.plugins.image_regressor.losses import emd_loss
from editmetrics.plugins.image_regressor.parts.attention import AttentionBlock, sine_positions
from editmetrics.plugins.image_regressor.parts.bilinear import bilinear_pooling
from editmetrics.plugins.image_regressor.parts.channel_attention import TransposedAttention
from editmetrics.plugins.image_regressor.parts.hyper import HyperNetwork
from editmetrics.plugins.image_regressor.parts.layout import ViewLayout
from editmetrics.plugins.image_regressor.parts.multi_scale import l2_pooling
from editmetrics.plugins.image_regressor.parts.scale_tokens import ScaleTokens
from editmetrics.plugins.image_regressor.parts.stairs import Stairs
from editmetrics.plugins.image_regressor.parts.texts import Texts
from editmetrics.plugins.image_regressor.parts.top_down import Gate
from editmetrics.plugins.image_regressor.schema import BackboneRule, OutputRule, ViewRule
from editmetrics.plugins.image_regressor.views import (
    drawn_views,
    fixed_corners,
    local_contrast,
    scaled_image,
    scoring_views,
)

ONE = ViewLayout((1,))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_bilinear_pooling_is_the_outer_product_of_each_cell():
    one, other = torch.randn(2, 3, 4, 5), torch.randn(2, 2, 4, 5)
    expected = np.zeros((2, 3, 2))
    for item in range(2):
        for row in range(4):
            for column in range(5):
                expected[item] += np.outer(one[item, :, row, column], other[item, :, row, column]) / 20
    expected = (np.sign(expected) * np.sqrt(np.abs(expected) + 1e-8)).reshape(2, 6)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert bilinear_pooling(one, other).numpy() == pytest.approx(expected, abs=1e-6)


def test_the_hyper_network_is_a_perceptron_whose_weights_are_functions_of_the_content():
    body = HyperNetwork([16, 32], outputs=2).eval()
    maps = [torch.randn(1, 16, 14, 14), torch.randn(1, 32, 7, 7)]
    local = body.local[0](nn.functional.adaptive_avg_pool2d(body.narrow[0](maps[0]), 2).flatten(1))
    v = torch.cat([local, body.last(maps[1].mean((2, 3)))], 1)[0]
    content = body.content(maps[1])
    sizes = (224, 112, 56, 28, 14)
    for k in range(4):
        matrix = body.weights[k](content).reshape(sizes[k + 1], sizes[k])
        v = torch.sigmoid(matrix @ v + body.biases[k](content.mean((2, 3)))[0])
    rated = body.last_weights(content.mean((2, 3))).reshape(2, 14) @ v + body.biases[4](content.mean((2, 3)))[0]
    assert torch.allclose(body(maps, ONE)[0], rated, atol=1e-5)


def test_stairs_carry_every_stage_down_and_add_the_ends():
    body = Stairs([4, 8, 12], strides=[1, 2])
    maps = [torch.randn(1, 4, 6, 6), torch.randn(1, 8, 6, 6), torch.randn(1, 12, 3, 3)]
    first, second = body.streams[0], body.streams[1]
    total = maps[2] + first[1](first[0](maps[0]) + maps[1]) + second[0](maps[1])
    assert torch.allclose(body(maps, ONE), total.mean((2, 3)), atol=1e-6)


def test_l2_pooling_is_scipys_convolution_of_squares():
    from scipy.ndimage import convolve

    x = torch.randn(1, 1, 6, 7)
    line = np.hanning(5)[1:-1]
    window = np.outer(line, line) / line.sum() ** 2
    expected = np.sqrt(convolve(x[0, 0].numpy() ** 2, window, mode="constant"))
    assert l2_pooling(x)[0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_sine_positions_are_the_formula():
    grid = sine_positions(8, 2, 3).reshape(2, 3, 8)
    for row, column in ((0, 0), (1, 2)):
        down, across = (row + 1) / 2 * 2 * math.pi, (column + 1) / 3 * 2 * math.pi
        expected = [f(angle / rate) for angle in (down, across) for rate in (1, 100) for f in (math.sin, math.cos)]
        assert grid[row, column].numpy() == pytest.approx(expected, abs=1e-4)


def test_an_attention_block_is_torchs_encoder_layer_with_norms_first():
    block = AttentionBlock(8, heads=2, hidden=16, activation="gelu").eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    theirs.self_attn.load_state_dict(block.attention.state_dict())
    theirs.linear1.load_state_dict(block.inner[0].state_dict())
    theirs.linear2.load_state_dict(block.inner[3].state_dict())
    x, padding = torch.randn(2, 5, 8), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    ours = block(x, padding=padding)
    assert torch.allclose(ours[0], theirs(x)[0], atol=1e-5)
    assert torch.allclose(ours[1, :3], block(x[1:, :3])[0], atol=1e-5)  # what is padded changes nothing


def test_transposed_attention_looks_from_channel_to_channel():
    layer = TransposedAttention(6, dropout=0.0)
    x = torch.randn(1, 4, 6)
    q, k, v = (f(x)[0] for f in (layer.query, layer.key, layer.value))
    mixed = torch.softmax(q @ k.T / math.sqrt(6), -1) @ v
    expected = x[0] + mixed.T.reshape(4, 6)  # the authors' order
    assert torch.allclose(layer(x)[0], expected, atol=1e-6)


def test_a_gate_weighs_cells_by_the_difference_of_two_images():
    gate = Gate(6, compared=True)
    x = torch.randn(1, 6, 4, 4)
    assert torch.allclose(gate(x), x * gate.weight(x[:, 4:]))
    plain = Gate(6, compared=False)
    content, asked = plain.split(x).chunk(2, 1)
    assert torch.allclose(plain(x), nn.functional.gelu(content) * plain.weight(asked))


def test_tiles_of_one_image_do_not_see_those_of_another():
    body = ScaleTokens([4], cells=1, size=8, heads=2, layers=2, hidden=16, grid=10, scales=2).eval()
    tiles, places = torch.randn(7, 4, 1, 1), torch.tensor([0, 5, 99, 100, 0, 101, 199])
    together = body([tiles], ViewLayout((4, 3), places))
    alone = body([tiles[4:]], ViewLayout((3,), places[4:]))
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    moved = body([tiles[4:]], ViewLayout((3,), torch.tensor([1, 101, 199])))
    assert not torch.allclose(moved, alone, atol=1e-4)


@pytest.fixture
def clip():
    with clip_stand_in.stand_in():
        return ClipBackbone(BackboneRule("open_clip", model="ViT-B-32-quickgelu"), ViewRule()).eval()


def test_levels_are_clips_similarities_to_its_texts(clip):
    from open_clip import tokenize

    texts = ["a photo with bad quality", "a photo with good quality"]
    body, image = Texts(clip.channels, backbones=[clip], texts=texts), torch.randn(3, 32)
    theirs = nn.functional.normalize(image, dim=-1) @ clip.model.encode_text(tokenize(texts), normalize=True).T
    assert torch.allclose(body([image[..., None, None]], ONE), theirs * clip.model.logit_scale.exp(), atol=1e-5)


def test_learned_vectors_stand_before_and_behind_their_text(clip):
    """With the vectors of words in their place, the text is that of all words together."""
    from open_clip import tokenize

    words = [["sharp", "clear", "noisy", "pale"], ["one", "two", "three", "four"]]
    body = Texts(clip.channels, backbones=[clip], texts=["Bad photo..", "Good photo.."], learned=4)
    written = [f"{' '.join(own[:2])} {text} {' '.join(own[2:])}" for own, text in zip(words, body.texts, strict=True)]
    with torch.no_grad():
        started = tokenize(["X X Bad photo.. X X", "X X Good photo.. X X"])
        assert torch.allclose(body.encoded(), clip.model.encode_text(started), atol=1e-6)
        body.context.copy_(clip.model.token_embedding(tokenize([" ".join(own) for own in words]))[:, 1:5])
        assert torch.allclose(body.encoded(), clip.model.encode_text(tokenize(written)), atol=1e-6)


def test_a_text_tower_is_trained_where_its_texts_are_and_never_the_temperature(clip):
    def trained(part):
        return part.requires_grad

    model = clip.model
    assert not trained(model.token_embedding.weight)  # a body of pooled embeddings has no use for it
    assert trained(model.visual.proj)
    Texts(clip.channels, backbones=[clip], texts=["bad", "good"])
    assert trained(model.token_embedding.weight)
    assert not trained(model.logit_scale)
    clip.freeze()
    body = Texts(clip.channels, backbones=[clip], texts=["bad", "good"], learned=2)
    assert not any(trained(parameter) for parameter in clip.parameters())
    assert trained(body.context)


def test_standardised_filters_have_no_mean_and_pad_as_tensorflow():
    convolution = StandardisedConvolution(3, 5, 3, bias=False)
    flat = convolution(torch.full((1, 3, 8, 8), 7.0))[..., 2:-2, 2:-2]
    assert flat.abs().max() < 1e-4  # of a constant, a filter without mean leaves nothing
    assert same_padding(torch.ones(1, 1, 5, 5), 7, 2).shape == (1, 1, 11, 11)
    assert same_padding(torch.ones(1, 1, 4, 4), 3, 2)[0, 0, 0].tolist() == [1, 1, 1, 1, 0]  # behind, not before
    (seen,) = PatchEncoder(BackboneRule("patch_encoder"), ViewRule())(torch.zeros(2, 3, 32, 32))
    assert seen.shape == (2, 256, 8, 8)


def test_a_weighted_head_is_the_weighted_mean_of_views_or_tokens():
    views = RatingHead(OutputRule("weighted", hidden=(4,)), inputs=3, outputs=1, joins_views=False).eval()
    rows = torch.randn(5, 3)
    y, w = views.value(rows)[:, 0], views.weight(rows)[:, 0] + 1e-6
    expected = [(y[:2] * w[:2]).sum() / w[:2].sum(), (y[2:] * w[2:]).sum() / w[2:].sum()]
    assert torch.allclose(views(rows, ViewLayout((2, 3))).numbers[:, 0], torch.stack(expected), atol=1e-5)
    tokens = RatingHead(OutputRule("weighted", over="tokens", weight_end="sigmoid"), inputs=3, outputs=1,
                        joins_views=False).eval()  # fmt: skip
    rows = torch.randn(2, 6, 3)
    y, w = tokens.value(rows)[..., 0], tokens.weight(rows)[..., 0]
    assert torch.allclose(tokens(rows, ViewLayout((2,))).numbers[0, 0], ((y * w).sum(1) / w.sum(1)).mean(), atol=1e-5)


def test_a_distribution_is_read_at_the_middle_of_its_bins():
    head = RatingHead(OutputRule("distribution", bins=4), inputs=2, outputs=1, joins_views=False).eval()
    with torch.no_grad():
        head.value[-1].weight.zero_()
        head.value[-1].bias.copy_(torch.tensor([0.0, 0.0, math.log(2), -99.0]))
    rated = head(torch.zeros(1, 2), ONE)
    assert rated.shares[0, 0].tolist() == pytest.approx([0.25, 0.25, 0.5, 0.0], abs=1e-6)
    assert float(rated.numbers.detach()) == pytest.approx(0.25 * 0.125 + 0.25 * 0.375 + 0.5 * 0.625)


def test_the_earth_movers_distance_is_scipys_for_r_1():
    from scipy.stats import wasserstein_distance

    p, q = torch.rand(5).softmax(0), torch.rand(5).softmax(0)
    expected = wasserstein_distance(range(5), range(5), p.numpy(), q.numpy()) / 5
    assert float(emd_loss(p[None], q[None], r=1.0)) == pytest.approx(expected, abs=1e-5)
    nearer = emd_loss(torch.eye(5)[[0]], torch.eye(5)[[1]])
    assert float(nearer) < float(emd_loss(torch.eye(5)[[0]], torch.eye(5)[[4]]))  # order counts


def test_the_fidelity_loss_is_thurstones_probability():
    from scipy.stats import norm

    expected = 1 - math.sqrt(norm.cdf((0.3 - 1.0) / math.sqrt(2)))
    assert float(fidelity_loss(torch.tensor([0.3, 1.0]), torch.tensor([5.0, 2.0]))) == pytest.approx(expected, abs=1e-6)
    assert float(fidelity_loss(torch.tensor([9.0, -9.0]), torch.tensor([5.0, 2.0]))) < 1e-6


def test_local_contrast_is_scipys_mean_and_deviation():
    from scipy.ndimage import uniform_filter

    image = torch.randint(0, 256, (3, 20, 24), dtype=torch.uint8)
    grey = (image.numpy() * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    mean = uniform_filter(grey, 7, mode="constant")
    deviation = np.sqrt(np.abs(uniform_filter(grey**2, 7, mode="constant") - mean**2))
    assert local_contrast(image)[0].numpy() == pytest.approx((grey - mean) / (deviation + 1), abs=2e-3)


def test_fixed_views_cover_the_image_and_drawn_ones_are_cut_alike():
    image = torch.arange(3 * 64 * 150).reshape(3, 64, 150).to(torch.int32)
    cover = scoring_views(image, ViewRule(crop=64, views="cover")).pixels
    assert len(cover) == 3
    assert (cover[-1] == image[:, :, -64:]).all()
    assert fixed_corners(70, 90, ViewRule(crop=32, views="tiles")) == [(0, 0), (0, 32), (32, 0), (32, 32)]
    assert fixed_corners(70, 90, ViewRule(crop=30, views="corners"))[-1] == (20, 30)
    one, other = drawn_views([image, image + 1], ViewRule(crop=32, drawn=4))
    assert (other.pixels - one.pixels == 1).all()
    assert len(one.pixels) == 4
    assert len({int(view[0, 0, 0]) for view in one.pixels}) > 1


def test_an_image_is_scaled_by_its_shorter_side_and_tiles_know_their_places():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)
    assert scaled_image(image, ViewRule(size=50, crop=50)).shape == (3, 50, 100)
    assert scaled_image(image, ViewRule(size=64, square=True, crop=64)).shape == (3, 64, 64)
    assert scaled_image(image, ViewRule(crop=120)).shape == (3, 120, 240)
    views = scoring_views(scaled_image(image, ViewRule(views="scales", scales=(64,), crop=32)),
                          ViewRule(views="scales", scales=(64,), crop=32))  # fmt: skip
    assert len(views.pixels) == 1 * 2 + 4 * 7
    assert views.places[:2].tolist() == [0, 5]  # a row of two tiles on a grid of ten
    assert (int(views.places[2]), int(views.places[-1])) == (100, 100 + 78)
