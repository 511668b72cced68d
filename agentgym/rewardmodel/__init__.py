"""Learned rewards: preference pairs, a Bradley-Terry head, DPO, and a watch on over-optimising."""
