"""The value head: what it predicts first, what it sees, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import torch

from agentgym.policy.pretrained import load_model
from agentgym.train.critic import Critic, hidden_states
from agentgym.train.packing import use_packed_attention

IDS = torch.tensor([[70, 71, 72, 73], [80, 81, 0, 0]])
MASK = torch.tensor([[False, True, True], [True, False, False]])
LENGTHS = torch.tensor([4, 2])


def test_critic_predicts_nothing_at_first_and_is_made_from_its_seed() -> None:
    states = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    one, same, other = Critic(8, seed=1), Critic(8, seed=1), Critic(8, seed=2)
    assert one(states).tolist() == [0.0, 0.0, 0.0]
    assert torch.equal(one.inner.weight, same.inner.weight)
    assert not torch.equal(one.inner.weight, other.inner.weight)


def test_critic_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Critic(4, seed=0)
    assert torch.equal(torch.rand(1), expected)


def test_hidden_states_are_those_that_predict_the_sampled_tokens(tiny: Path) -> None:
    model = load_model(tiny, torch.float32)
    states = hidden_states(model, IDS, MASK, None)
    whole = model.base_model(input_ids=IDS).last_hidden_state
    assert torch.allclose(states, torch.stack([whole[0, 1], whole[0, 2], whole[1, 0]]))
    assert not states.requires_grad
    use_packed_attention(model)
    packed = hidden_states(model, IDS, MASK, LENGTHS)
    assert torch.allclose(packed, states, atol=1e-5)


def test_critic_reaches_a_target(tiny: Path) -> None:
    states = hidden_states(load_model(tiny, torch.float32), IDS, MASK, None)
    critic, wanted = Critic(states.shape[1], seed=0), torch.tensor([1.0, 0.0, 0.5])
    optimizer = torch.optim.AdamW(critic.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        (critic(states) - wanted).square().sum().backward()
        optimizer.step()
    assert torch.allclose(critic(states), wanted, atol=0.05)
