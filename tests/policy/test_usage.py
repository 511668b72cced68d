from __future__ import annotations

import asyncio

from agentgym.policy.usage import Usage, count, metered


def test_metered_counts_its_own_requests_alone() -> None:
    total = Usage()

    async def episode(tokens: int) -> Usage:
        with metered() as used:
            for _ in range(3):
                count(total, Usage(requests=1, prompt_tokens=tokens))
                await asyncio.sleep(0)  # another one's turn
        return used

    async def both() -> list[Usage]:
        return await asyncio.gather(episode(5), episode(7))

    assert asyncio.run(both()) == [Usage(3, 0, 15, 0), Usage(3, 0, 21, 0)]
    assert total == Usage(6, 0, 36, 0)


def test_count_outside_of_a_meter_adds_to_the_total() -> None:
    total = Usage()
    count(total, Usage(requests=1, retries=2, sampled_tokens=3))
    assert total == Usage(1, 2, 0, 3)
