"""Runs as one HTML file that needs no server: scores, curves, episodes and what the gradient saw.

What a model wrote is hostile here: it is only ever data, and the page shows it as text.

    catalogue.py   every episode in a line, by which the list filters and sorts
    choice.py      which episodes get a page of their own, where there are too many
    pages.py       an episode, turn by turn
    gradient.py    its samples, token by token, beside what learned.py knows of them
    vocabulary.py  the texts of token ids
    overview.py    how good a run was; curves.py how it went, findings.py what must not be missed,
                   comparisons.py how runs differ
    document.py    the file: data, script and style under a policy that lets nothing else run
    written.py     from run folders to the file; watched.py again whenever they grow
    static/        the page's script and style

Nothing of it writes into a run folder but the report itself.
"""

from agentgym.evaluate.report.watched import watch
from agentgym.evaluate.report.written import Report, write_report

__all__ = ["Report", "watch", "write_report"]
