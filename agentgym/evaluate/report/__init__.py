"""Runs as one HTML file that needs no server: scores, curves, episodes and what the gradient saw.

catalogue.py   every episode in a line, by which the list filters and sorts
choice.py      which episodes get a page of their own, where there are too many
pages.py       an episode, turn by turn
gradient.py    its samples, token by token, beside what the learner computed
vocabulary.py  the texts of token ids
overview.py    scores, faults, warnings, curves, comparisons
document.py    the file: data, script and style under a policy that lets nothing else run
written.py     from run folders to the file, once or whenever they grow
static/        the page's script and style
"""

from agentgym.evaluate.report.written import Report, watch, write_report

__all__ = ["Report", "watch", "write_report"]
