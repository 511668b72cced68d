"""Generalised advantage estimation over an episode of several turns, in numbers and pictures.

Run it: python examples/gae_visualizer.py --out pictures
The episode is made up: the agent mistypes a number, reads a result that cannot be right, corrects
itself and is rewarded at the end. One sees which tokens get the credit for each lambda: at 0 only
those where the critic changed its mind; at 1 all, the mistake too, by how much better it went than
expected. Tokens of the environment (shaded) are no decisions: nothing is credited to them, and
credit crosses them undiminished. The last lines show what is lost if they count as steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from agentgym.algorithms.advantages import gae, terminal_rewards
from agentgym.evaluate.curve import curve_svg

LAMBDAS = (0.0, 0.5, 0.9, 0.95, 1.0)

# Who speaks, the tokens, and what the critic expects before each of them: the chance of success.
EPISODE = (
    ("agent", "I compute 17 * 23 : calc( 17 * 32 )", (60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 30)),
    ("environment", "the result of 17 * 32 is 544", (30, 30, 30, 30, 30, 30, 30, 30)),
    ("agent", "too much ; again : calc( 17 * 23 )", (20, 30, 40, 45, 50, 55, 60, 65, 75, 85)),
    ("environment", "the result of 17 * 23 is 391", (85, 85, 85, 85, 85, 85, 85, 85)),
    ("agent", "the answer is 391", (95, 95, 95, 95)),
)
REWARD = 1.0


def episode() -> tuple[list[str], Tensor, Tensor]:
    """Return the tokens (T of them), their mask and the critic's values, shape (1, T) both."""
    words = [word for _, text, _ in EPISODE for word in text.split()]
    mask = [who == "agent" for who, text, _ in EPISODE for _ in text.split()]
    values = [percent / 100 for _, _, percents in EPISODE for percent in percents]
    return words, torch.tensor([mask]), torch.tensor([values], dtype=torch.float64)


def credits(gamma: float, *, masked: bool = True) -> dict[float, list[float]]:
    """Return the advantage of every token, by lambda."""
    _, mask, values = episode()
    rewards = terminal_rewards(torch.tensor([REWARD], dtype=torch.float64), mask)
    steps = mask if masked else torch.ones_like(mask)
    found = {}
    for lam in LAMBDAS:
        advantages, _ = gae(rewards, values, steps, gamma=gamma, lam=lam)
        found[lam] = advantages[0].tolist()
    return found


def shade(low: float, high: float) -> list[tuple[float, float, float]]:
    """Return a band behind the tokens of the environment, as high as the picture."""
    _, mask, _ = episode()
    edges: list[tuple[float, float, float]] = []
    for place, sampled in enumerate(mask[0].tolist()):
        if not sampled:
            left, right = place - 0.5, place + 0.5
            edges += [(left, 0, 0), (left, low, high), (right, low, high), (right, 0, 0)]
    return edges


def picture(title: str, label: str, lines: dict[str, list[float]]) -> str:
    """Draw one number a token of the agent for each name; the environment's are shaded."""
    _, mask, _ = episode()
    sampled = mask[0].tolist()
    drawn = {
        name: [(place, value) for place, value in enumerate(row) if sampled[place]]
        for name, row in lines.items()
    }
    heights = [value for points in drawn.values() for _, value in points]
    return curve_svg(
        {"environment": [], **drawn},
        title=title,
        x_label="position in the episode (tokens)",
        y_label=label,
        bands={"environment": shade(min(heights) - 0.4, max(heights))},  # the legend is below
    )


def table(by_lambda: dict[float, list[float]]) -> str:
    """Return one line a token: who said it, the critic's value, the advantage by lambda."""
    words, mask, values = episode()
    rows = [f"{'':18}value  " + "  ".join(f"{f'lam {lam:g}':>8}" for lam in by_lambda)]
    for place, word in enumerate(words):
        who = "agent" if mask[0, place] else "  env"
        numbers = "  ".join(f"{row[place]:8.3f}" for row in by_lambda.values())
        rows.append(f"{who} {word:<11} {values[0, place]:5.2f}  {numbers}")
    return "\n".join(rows)


def main() -> None:
    """Print the advantages of every token and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder of the SVGs")
    parser.add_argument("--gamma", type=float, default=1.0, help="discount of one sampled token")
    args = parser.parse_args()
    right, wrong = credits(args.gamma), credits(args.gamma, masked=False)
    print(table(right))
    args.out.mkdir(parents=True, exist_ok=True)
    _, _, values = episode()
    td = {"value": values[0].tolist(), "TD error": right[0.0]}
    drawn = picture("What the critic expected, and how wrong it was", "chance of success", td)
    (args.out / "td_errors.svg").write_text(drawn)
    lines = {f"lambda {lam:g}": row for lam, row in right.items()}
    drawn = picture("Credit of each token", "advantage", lines)
    (args.out / "gae.svg").write_text(drawn)
    print(f"pictures: {args.out / 'td_errors.svg'}, {args.out / 'gae.svg'}")
    for lam in LAMBDAS[1:]:
        print(f"lambda {lam:g}: the first token gets {right[lam][0]:+.3f};", end=" ")
        print(f"if the environment's tokens count as steps, {wrong[lam][0]:+.3f}")


if __name__ == "__main__":
    main()
