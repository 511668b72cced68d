"""A run in the file formats of other programs: `agentgym.evaluate.export.formats`."""
