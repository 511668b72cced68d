"""Chat templates and tool calls: between messages and what a model reads and writes."""
