import pickle
from collections import Counter

import numpy as np
import pytest

from scenewright.data.buckets import Buckets, assign, tokens_of

SHAPES = np.array([(16, 64, 64)] * 23 + [(16, 64, 128)] * 9 + [(8, 32, 32)] * 70 + [(1, 128, 128)] * 5)
PATCH = (2, 16, 16)


def epoch_of(buckets, number=0):
    """All batches of an epoch: [step][rank]."""
    first = number * len(buckets)
    return [[buckets.batch(first + s, r) for r in range(buckets.ranks)] for s in range(len(buckets))]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_epoch_covers_every_sample_exactly_once_over_all_ranks(ranks):
    buckets = Buckets(SHAPES, budget=300, patch=PATCH, ranks=ranks)
    for number in (0, 1, 5):
        batches = [b for step in epoch_of(buckets, number) for b in step]
        seen = np.concatenate([b.samples[b.real] for b in batches])
        assert sorted(seen) == list(range(len(SHAPES)))
        # At most ranks - 1 repeats for each bucket, and none for one rank.
        fill = sum(int((~b.real).sum()) for b in batches)
        assert fill <= (ranks - 1) * len(buckets.shapes)


@pytest.mark.parametrize("rest", ["pad", "drop"])
def test_batches_never_mix_shapes_and_keep_the_budget(rest):
    buckets = Buckets(SHAPES, budget=300, patch=PATCH, rest=rest, seed=3)
    for (batch,) in epoch_of(buckets):
        assert (SHAPES[batch.samples] == batch.shape).all()
        cost = len(batch.samples) * tokens_of(batch.shape, PATCH)
        assert cost <= 300
        size = dict(zip(buckets.shapes, buckets.batch_sizes, strict=True))[batch.shape]
        # One more would not have fitted.
        assert (size + 1) * tokens_of(batch.shape, PATCH) > 300
        assert len(batch.samples) == size or rest == "pad"


def test_all_ranks_have_the_same_shape_and_size_at_every_step():
    for step in epoch_of(Buckets(SHAPES, budget=300, patch=PATCH, ranks=4)):
        assert len({(b.shape, len(b.samples)) for b in step}) == 1


def test_what_is_dropped_changes_from_epoch_to_epoch():
    shapes = SHAPES[SHAPES[:, 0] > 1]
    buckets = Buckets(shapes, budget=256, patch=PATCH, ranks=2, rest="drop")
    missing = []
    for number in range(8):
        batches = [b for step in epoch_of(buckets, number) for b in step]
        assert all(b.real.all() for b in batches)
        seen = Counter(i for b in batches for i in b.samples.tolist())
        assert set(seen.values()) == {1}
        missing.append(frozenset(range(len(shapes))) - set(seen))
    # 23 clips in batches of 2 x 2, 9 in batches of 2 x 1 and 70 in batches of 2 x 16 leave 3, 1 and 6.
    assert {len(m) for m in missing} == {10}
    assert len(set(missing)) == 8
    assert not frozenset.intersection(*missing)


def test_order_of_steps_and_samples_changes_with_epoch_and_seed():
    def order(seed, number):
        buckets = Buckets(SHAPES, budget=300, patch=PATCH, seed=seed)
        return [(b.shape, tuple(b.samples)) for (b,) in epoch_of(buckets, number)]

    assert order(0, 0) == order(0, 0)
    assert [s for s, _ in order(0, 0)] != [s for s, _ in order(0, 1)]
    assert [s for s, _ in order(0, 0)] != [s for s, _ in order(1, 0)]
    assert {i for _, i in order(0, 0)} != {i for _, i in order(0, 1)}


def test_buckets_can_be_entered_anywhere_and_sent_to_a_worker():
    settings = {"budget": 300, "patch": PATCH, "seed": 2, "ranks": 2}
    whole = [Buckets(SHAPES, **settings).batch(s, 1) for s in range(40)]
    fresh = pickle.loads(pickle.dumps(Buckets(SHAPES, **settings)))
    for step in (39, 0, 17):
        again = fresh.batch(step, 1)
        assert again.shape == whole[step].shape
        np.testing.assert_array_equal(again.samples, whole[step].samples)


def test_wrong_buckets_are_refused():
    with pytest.raises(ValueError, match=r"\(16, 64, 64\) is 128 tokens, more than the budget of 100"):
        Buckets([(16, 64, 64)], budget=100, patch=PATCH)
    with pytest.raises(ValueError, match=r"the 1 clips of .* do not fill a batch of 2"):
        Buckets([(16, 64, 64)], budget=300, patch=PATCH, rest="drop")
    with pytest.raises(ValueError, match="must be"):
        Buckets([(16, 64)], budget=300)
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        Buckets(SHAPES, budget=10**6, ranks=2).batch(0, rank=2)


def test_tokens_cover_the_clip():
    assert tokens_of((9, 65, 64), (2, 16, 16)) == 5 * 5 * 4


def test_clips_go_to_the_nearest_bucket_that_makes_nothing_up():
    buckets = [(16, 64, 64), (16, 64, 128), (8, 64, 64), (16, 128, 128)]
    clips = [
        (20, 80, 90),  # square, too small for 128
        (20, 80, 150),  # wide
        (12, 70, 70),  # too short for 16 frames
        (30, 200, 210),  # large and square
        (30, 64, 4000),  # widest there is
        (4, 500, 500),  # too short for all
        (30, 60, 500),  # too low for all
    ]
    assert assign(clips, buckets).tolist() == [0, 1, 2, 3, 1, -1, -1]


def test_assignment_against_brute_force():
    rng = np.random.default_rng(0)
    clips = np.stack(
        [rng.integers(1, 40, 300), rng.integers(16, 200, 300), rng.integers(16, 200, 300)], axis=1
    )
    buckets = [(t, h, w) for t in (1, 8, 16) for h, w in ((32, 32), (32, 64), (64, 32), (96, 128))]
    for clip, chosen in zip(clips, assign(clips, buckets), strict=True):
        fitting = [
            b for b in range(len(buckets)) if all(x <= y for x, y in zip(buckets[b], clip, strict=True))
        ]

        def cost(b, clip=clip):
            t, h, w = buckets[b]
            return (round(abs(np.log(clip[2] / clip[1]) - np.log(w / h)), 9), -t, -h * w)

        assert chosen == (min(fitting, key=cost) if fitting else -1)
