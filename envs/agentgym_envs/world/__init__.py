"""A world of apps, people and tasks, judged by what changed in it."""
