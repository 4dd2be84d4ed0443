"""Layouts: boxes of scenes against rendered masks, features there and back, what a network sees of them."""

import numpy as np
import pytest
import torch

from scenewright.layout import Layout
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.layout import LayoutConfig, LayoutEmbedding, seen_from_patches
from scenewright.world.boxes import LABELS, layout_of
from scenewright.world.layout import SamplerConfig, sample_scene
from scenewright.world.render import render

CONFIG = LayoutConfig(
    slots=4,
    num_frames=8,
    attributes=LABELS,
)
SIZE = {"width": 96, "height": 64, "num_frames": 8, "fps": 4.0}


def scene_layout(seed: int, **settings) -> tuple:
    scene = sample_scene(seed, config=SamplerConfig(**settings))
    return scene, layout_of(scene, **SIZE)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_hold_the_rendered_objects_and_little_more(seed):
    scene, layout = scene_layout(seed, num_objects=(1, 1), moving_camera=0.3)
    (found,) = render([scene], **SIZE, outputs=("masks",))
    for frame, mask in enumerate(found.masks == 1):
        if not mask.any():
            continue
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
        box = np.clip(layout.boxes[0, frame], 0, 1) * (96, 64, 96, 64)
        # A pixel counts where its centre is hit.
        assert (box[:2] <= seen[:2] + 1).all()
        assert (box[2:] >= seen[2:] - 1).all()
        loose = 2.5 if scene.objects[0].shape == "sphere" else 0.4 * (box[2:] - box[:2]).max() + 2.5
        assert np.abs(box - seen).max() <= loose


def test_what_is_not_there_has_no_box():
    for seed in range(300):
        scene, layout = scene_layout(seed, num_objects=(1, 1), motions={"vanish": 1.0}, still=0.0)
        if scene.motions and scene.motions[0].kind == "vanish":
            assert layout.depth[0, 0] > 0
            assert layout.depth[0, -1] == 0
            assert not layout.boxes[0, -1].any()
            return
    pytest.fail("no scene in which something vanishes")


def test_features_there_and_back():
    scene, layout = scene_layout(5, num_objects=(3, 3))
    features = CONFIG.encode(layout)
    assert features.shape == (4, CONFIG.features)
    back = CONFIG.decode(features + 0.05 * torch.randn(features.shape, generator=torch.Generator()))
    assert back.labels == layout.labels
    there = layout.depth > 0
    assert np.abs(back.boxes - layout.boxes)[there].max() < 0.08
    assert [labels["color"] for labels in back.labels] == [item.color for item in scene.objects]


def test_features_are_of_about_unit_size():
    features = torch.stack([CONFIG.encode(scene_layout(s, num_objects=(2, 3))[1]) for s in range(40)])
    used = features[features[..., 0] > 0][:, 1 + CONFIG.labels :]
    assert used.mean().abs() < 0.3
    assert 0.7 < used.std() < 1.4


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(({},) * 5, np.zeros((5, 8, 4), "f4"), np.zeros((5, 8), "f4")), "at most 4 things"),
        (Layout(({},), np.zeros((1, 9, 4), "f4"), np.zeros((1, 9), "f4")), "8 frames"),
        (
            Layout(({"shape": "banana"},), np.zeros((1, 8, 4), "f4"), np.zeros((1, 8), "f4")),
            "shape = 'banana' is not known",
        ),
    ],
)
def test_layouts_that_do_not_fit_are_refused(layout, message):
    with pytest.raises(ValueError, match=message):
        CONFIG.encode(layout)


def test_a_layout_checks_its_own_shapes():
    with pytest.raises(ValueError, match="boxes of 2 things"):
        Layout(({}, {}), np.zeros((1, 8, 4)), np.zeros((1, 8)))


def test_patches_see_the_edges_of_each_box_in_their_own_frames():
    """Against a loop over patches, things and frames."""
    _, layout = scene_layout(11, num_objects=(2, 2))
    grid, frames = (4, 4, 6), 2
    seen = seen_from_patches(CONFIG.encode(layout)[None], CONFIG, grid, frames)[0].view(4, 4, 6, 4, -1)
    for t, row, column, thing in np.ndindex(4, 4, 6, 4):
        shares = []
        for k in range(frames):
            part = seen[t, row, column, thing, 13 * k : 13 * (k + 1)]
            if thing >= 2 or layout.depth[thing, frames * t + k] == 0:
                assert not part.any()
                shares.append(0.0)
                continue
            left, top, right, bottom = layout.boxes[thing, frames * t + k] * (6, 4, 6, 4)
            x, y = column + 0.5, row + 0.5
            edges = np.clip([left - x, right - x, top - y, bottom - y], -4, 4)
            np.testing.assert_allclose(part[:4], edges / 4, atol=1e-4)
            np.testing.assert_allclose(part[4:8], np.sin(edges * np.pi / 2), atol=1e-4)
            np.testing.assert_allclose(part[8:12], np.cos(edges * np.pi / 2), atol=1e-4)
            away = np.hypot(*(max(low, -high, 0.5) - 0.5 for low, high in (edges[:2], edges[2:])))
            shares.append(np.exp(-(away**2)))
        if max(shares) > 1e-3:
            assert float(seen[t, row, column, thing, -1]) == pytest.approx(max(shares), rel=1e-3)


def network(**changes) -> FlowTransformer:
    torch.manual_seed(0)
    return FlowTransformer(
        FlowTransformerConfig(
            patch=(2, 8, 8), bottleneck=24, width=32, layers=2, heads=2, num_frames=8, height=32,
            width_pixels=48, text={"vocabulary": 16, "width": 32, "layers": 1, "heads": 2}, **changes,
        )
    )  # fmt: skip


def test_a_new_network_is_not_changed_by_layouts_and_an_absent_one_never_counts():
    model = network(layout=CONFIG)
    torch.nn.init.normal_(model.patch_out.weight)
    ids, mask = torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.bool)
    z, sigma, text = torch.randn(2, 3, 8, 32, 48), torch.tensor([0.3, 0.8]), model.encode_text(ids, mask)
    layout = torch.stack([CONFIG.encode(scene_layout(s, num_objects=(1, 3))[1]) for s in (1, 2)])
    plain = model(z, sigma, *text, mask)
    assert torch.equal(model(z, sigma, *text, mask, layout_BNF=layout), plain)
    torch.nn.init.normal_(model.layout_in.out.weight)
    led = model(z, sigma, *text, mask, layout_BNF=layout)
    assert not torch.allclose(led, plain)
    layout[1] = 0
    partly = model(z, sigma, *text, mask, layout_BNF=layout)
    torch.testing.assert_close(partly[0], led[0])
    torch.testing.assert_close(partly[1], plain[1])
    with pytest.raises(ValueError, match="takes no layouts"):
        network()(z, sigma, *text, mask, layout_BNF=layout)


def test_what_a_thing_adds_is_where_the_thing_is():
    model = LayoutEmbedding(CONFIG, 2, width=16, hidden=16)
    torch.nn.init.normal_(model.out.weight)
    boxes = np.tile(np.float32([0.05, 0.1, 0.2, 0.3]), (1, 8, 1))
    labels = {name: values[0] for name, values in CONFIG.attributes.items()}
    features = CONFIG.encode(Layout((labels,), boxes, np.full((1, 8), 9.0, np.float32)))[None]
    added = model(seen_from_patches(features, CONFIG, (4, 8, 8), 2), features)
    size = added.detach().norm(dim=-1).view(4, 8, 8)
    assert size[:, :3, :2].min() > 100 * size[:, 6:, 5:].max()


def test_layouts_share_out_over_patches():
    with pytest.raises(ValueError, match="do not share out"):
        network(layout=CONFIG.model_copy(update={"num_frames": 7}))
