"""The real AppWorld benchmark, in processes of its own."""
