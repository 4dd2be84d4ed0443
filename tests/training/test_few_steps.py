from types import SimpleNamespace

import pytest
import torch
from torch import nn

from scenewright.generation.samplers import euler, shortcut, sigma_schedule, solve
from scenewright.generation.settings import SamplingSettings
from scenewright.models.blocks.positions import sinusoid
from scenewright.training.draws import Draws
from scenewright.training.objectives import FewSteps, FewStepsConfig, Inputs
from scenewright.training.objectives.few_steps import _two_halves

SHIFT, SCALE = 2.0, 2.0
#: Corners of a square: text 1 says the upper two, text 2 the lower two, text 0 nothing.
CORNERS = torch.tensor([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
SPREAD = 0.4


class Square(nn.Module):
    """The exact E[x | z] of a mixture of four Gaussians; what text leaves out has no weight."""

    config = SimpleNamespace(text=SimpleNamespace(max_tokens=1))

    def encode_text(self, ids, mask):
        return ids, ids

    def forward(self, z, sigma, words, pooled, mask, given_BGTHW=None, span_B=None):
        flat, s = z.flatten(1)[:, None], sigma[:, None, None]
        said = words[:, :1]
        allowed = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])[said[:, 0]]
        variance = ((1 - s) * SPREAD) ** 2 + s**2
        miss = flat - (1 - s) * CORNERS
        logits = -(miss.square().sum(-1) / (2 * variance[..., 0])) + allowed.float().log()
        means = CORNERS + (1 - s) * SPREAD**2 / variance * miss
        return (logits.softmax(-1)[..., None] * means).sum(1).view_as(z)


class Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.said = nn.Embedding(3, 32)
        self.layers = nn.Sequential(
            nn.Linear(2 + 96, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(),
            nn.Linear(128, 2),
        )  # fmt: skip

    def encode_text(self, ids, mask):
        return self.said(ids[:, 0]), self.said(ids[:, 0])

    def forward(self, z, sigma, words, pooled, mask, given_BGTHW=None, span_B=None):
        times = torch.cat((sinusoid(1000 * sigma, 32), sinusoid(1000 * span_B, 32)), dim=1)
        return self.layers(torch.cat((z.flatten(1), times, words), dim=1)).view_as(z)


def few_steps(**changes) -> FewSteps:
    config = FewStepsConfig(shift=SHIFT, caption_dropout=0.0, min_sigma=0.2, **changes)
    teacher = SimpleNamespace(
        model=Square(),
        settings=SamplingSettings(guidance_scale=SCALE, guidance_interval=(0.1, 1.0)),
        tokenizer=SimpleNamespace(
            batch=lambda texts, most: (torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
        ),
    )
    return FewSteps(config, teacher)


def inputs_at(step: int, batch: int) -> Inputs:
    generator = torch.Generator().manual_seed(step)
    corner = torch.randint(4, (batch,), generator=generator)
    x = CORNERS[corner] + SPREAD * torch.randn(batch, 2, generator=generator)
    ids = 1 + corner[:, None] // 2
    draws = Draws(0, step, batch, range(batch))
    return Inputs(x.view(batch, 2, 1, 1, 1), ids, ids > 0, ("",) * batch, draws)


def sampled(predict, noise, steps, sampler=euler):
    return solve(sampler, predict, noise, sigma_schedule(steps, SHIFT))


def test_four_steps_go_where_the_guided_teacher_goes_in_many():
    torch.manual_seed(0)
    objective, student = few_steps(fewest=4, most=32), Student()
    optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000)
    for step in range(2000):
        loss, _ = objective.loss(student, inputs_at(step, 256))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    noise = torch.randn(2000, 2, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    ids = torch.full((2000, 1), 1)
    inputs = Inputs(noise, ids, ids > 0, ("",) * 2000, Draws(0, 0, 2000, range(2000)))
    guided = objective._guided(inputs)

    def teacher(z, sigma, span=0.0):
        return guided(z, torch.full((2000,), sigma), torch.full((2000,), span))

    @torch.no_grad()
    def learned(z, sigma, span=0.0):
        words = student.encode_text(ids, ids > 0)
        return student(z, torch.full((2000,), sigma), *words, None, None, torch.full((2000,), span))

    def distance(x, y):
        return (x - y).flatten(1).norm(dim=1).median().item()

    wanted = sampled(teacher, noise, 32)
    assert distance(sampled(learned, noise, 4, shortcut), wanted) < 0.09
    assert distance(sampled(learned, noise, 8, shortcut), wanted) < 0.09
    assert distance(sampled(teacher, noise, 4), wanted) > 0.2
    # Told nothing of the length of its steps it has learned the data, without guidance.
    plain = sampled(learned, noise, 64)
    assert distance(plain, wanted) > 0.15
    assert (plain.flatten(1)[:, 1] > 0).float().mean() > 0.95


def test_two_halves_are_the_step_that_ends_where_they_do():
    torch.manual_seed(2)
    z = torch.randn(3, 2, 1, 1, 1)
    sigma, after = torch.tensor([1.0, 0.8, 0.4]), torch.tensor([0.8, 0.4, 0.0])
    calls = []

    def predict(z, at, span):
        calls.append((at, span))
        return 0.3 * z + at.view(-1, 1, 1, 1, 1)

    x = _two_halves(predict, z, sigma, after, 2.0)
    middle = calls[1][0]
    for row in range(3):
        schedule = [sigma[row].item(), middle[row].item(), after[row].item()]
        end = solve(euler, lambda z, s, span=0.0: 0.3 * z + s, z[row], schedule)
        one = solve(euler, lambda z, s, span=0.0, row=row: x[row], z[row], schedule[::2])
        torch.testing.assert_close(one, end, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(calls[0][1] + calls[1][1], sigma - after)


def test_steps_lie_on_the_grids_of_sampling_and_kinds_have_their_shares():
    objective = few_steps(fewest=2, most=8, flow_share=0.25)
    inputs = inputs_at(3, 64)
    kinds, sigma, after = objective._steps(inputs)
    assert {name: int(at.sum()) for name, at in kinds.items()} == {"flow": 16, "teacher": 16, "halves": 32}
    grids = {n: torch.tensor(sigma_schedule(n, SHIFT), dtype=torch.float32) for n in (2, 4, 8)}
    for row in range(64):
        if not kinds["flow"][row]:
            steps = [
                (n, i)
                for n, g in grids.items()
                for i in range(n)
                if torch.allclose(g[i : i + 2], torch.stack((sigma[row], after[row])), atol=1e-6)
            ]
            assert len(steps) == 1
            assert (steps[0][0] == 8) == bool(kinds["teacher"][row])
    parts = [objective._steps(inputs.part(range(i, i + 16)))[1] for i in range(0, 64, 16)]
    torch.testing.assert_close(torch.cat(parts), sigma)


@pytest.mark.parametrize(("changes", "message"), [
    ({"fewest": 3}, "power of two"), ({"fewest": 8, "most": 4}, "more than most"),
])  # fmt: skip
def test_step_counts_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        FewStepsConfig(**changes)
