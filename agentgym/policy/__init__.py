"""Policies: whatever samples the next turn of a conversation."""
