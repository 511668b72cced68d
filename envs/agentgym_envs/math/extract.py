r"""Find the one answer that a response commits to.

Only what stands after the thinking counts. In this order: the last ``\boxed{}``, the last
``#### x``, ``<answer>x</answer>`` or ``{"answer": x}``, the last answer phrase (`phrases`), a last
line in bold, math that ends the text, a code fence around a short answer, or a response that is
nothing but a short answer or a plain statement (`statement`). A response that was cut off inside
its answer has none. Text that lists several answers is not split: it is returned whole, so it
equals no single gold.

Left out: numbers from running prose ("so there are 42 apples"), and anything inside a block of
program code. Whether an answer is the problem again, or injected text, is for the comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agentgym_envs.math.phrases import is_short, said, sentence, tidy
from agentgym_envs.math.statement import stated

__all__ = ["MAX_RESPONSE", "Found", "extract", "find"]

MAX_RESPONSE = 200_000  # characters; only the end of a longer final part is read

How = Literal["box", "hashes", "tag", "said", "bold", "math", "fence", "bare", "stated"]

_THINKING = re.compile(
    r"</?(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning|scratchpad)\s{0,8}>|\[/?THINK\]|◁/?think▷"
    r"|<\|(?:begin|end)_of_thought\|>|<\|channel\|>\w{1,20}(?:<\|message\|>)?|assistantfinal",
    re.IGNORECASE,
)
_ENDING = re.compile(r"/|end_of|final", re.IGNORECASE)
_SPECIAL = re.compile(r"(?:<\|[a-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>)$", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})[ \t]{0,8}([\w+#-]{0,20})[^\n`]*$")
_PLAIN_FENCES = frozenset(
    ["", "latex", "tex", "math", "text", "txt", "markdown", "md", "plaintext", "json", "xml"]
)
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_]\w*\s*=(?!=)")

_TOKEN = re.compile(
    r"(?P<box>\\{1,2}(?:boxed|fbox)\s*\{)"
    r"|\\{1,2}(?:boxed|fbox)[ \t]*(?P<plain>[+-]?\.?\d[^\s${}]*|(?<=[ \t])[A-J](?!\w))"
    r"|\\.|[{}]",
    re.DOTALL,
)
_CUT_BOX = re.compile(r"\\(?:boxed|fbox)\s*$")
_JOINED = re.compile(
    r"[\s$\\()\[\].,*]*(?:text\{\s*)?(?:or|and|oder|ou|или|或|または)[\s$\\()\[\]{},*]*",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"[.!?\u2014-]\s*(?:but |oh |no )?(?:wait|actually|correction|sorry|oops|hold on"
    r"|on second thought|i made|let me correct)\b",
    re.IGNORECASE,
)
_BLANK = re.compile(r"(?:\\(?:phantom|hspace)\{[^{}]*\}|\\[a-z]*dots|[\s._?~])*")
_DENIED = re.compile(r"(?:\bnot|n[\'\u2019]t|\bnever|\bnicht|\bpas)[\s$\\(\[:]*$", re.IGNORECASE)

_HASHES = re.compile(r"(?<![#\S])####(?!#)[ \t]*(\S[^\n]*)")
_HEADING = re.compile(
    r"[*_ ]*(?:step|case|part|solution|conclusion|final|answer|verification|check|summary|note"
    r"|approach|explanation|result|method|\d{1,2}[.)]\s)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)(?:final[_ -]?)?answer\s{0,4}>", re.IGNORECASE)
_JSON = re.compile(
    r"\"(?:final[_ ]?)?answer\"\s{0,8}:\s{0,8}(?:\"((?:[^\"\\]|\\.)*)\""
    r"|(-?\d[\d.eE+-]*|true|false|null|\[[^\[\]\n]{0,2000}\])\s{0,8}[,}\n])",
    re.IGNORECASE,
)
_BOLD = re.compile(r"(\*\*\*|\*\*|__)(?=\S)([^*\n]+)\1[.!。]?")
_DISPLAYS = (("$$", "$$"), (r"\[", r"\]"))
_ENVIRONMENT = re.compile(r"\\end\{(equation|align|aligned|gather)(\*?)\}$")
_INLINE = re.compile(r"(?:\$([^$]+)\$|\\\((.+)\\\))")
_OR = re.compile(r"\b(?:or|and|either|not|oder|ou)\b[\W_]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """An answer, and by which mark it was found.

    Attributes:
        text: The answer; where boxes on one line differ, all of them, joined by ", ".
        how: Which mark gives it.
        parts: The different answers in their order: one, or several where boxes on one line
            differ. Several are no answer unless the gold is the set or the tuple of them.
    """

    text: str
    how: How
    parts: tuple[str, ...]


def extract(response: str) -> str | None:
    """Return the answer's text, or None if the response commits to none.

    Args:
        response: What the model wrote, thinking included.

    Returns:
        The content of the last box (None if that box is never closed, is empty, or shares its line
        with a box that says something else), or what the last other mark gives.
    """
    found = find(response)
    return found.text if found and len(found.parts) == 1 else None


def find(response: str) -> Found | None:
    """Return the answer with how it was found, differing boxes included; None if there is none."""
    final = _final_part(response)
    if final is None or _CUT_BOX.search(final[-40:]):
        return None
    text = _without_code(final)
    spans, is_open = _boxes(text)
    if spans or is_open:
        return None if is_open else _boxed(text, spans)
    for how, rule in _RULES:
        answer = rule(text)
        if answer is not None:
            return Found(answer, how, (answer,)) if answer else None
    return None


def _final_part(response: str) -> str | None:
    """Return what stands after the thinking; None if the thinking never ends."""
    start, opened = 0, False
    for mark in _THINKING.finditer(response):
        opened = not _ENDING.search(mark[0])
        start = start if opened else mark.end()
    if opened:
        return None
    end = len(response)
    while special := _SPECIAL.search(response[max(start, end - 40) : end].rstrip()):
        end = max(start, end - 40) + special.start()
    return response[max(start, end - MAX_RESPONSE) : end]


def _without_code(text: str) -> str:
    """Empty the fences that hold program code, and drop assignments from the others."""
    if "```" not in text and "~~~" not in text:
        return text
    kept, fence, is_code = [], "", False
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence and mark and not mark[2] and mark[1].startswith(fence):
            fence = ""
        elif fence:
            if is_code or _ASSIGNMENT.match(line):
                continue
        elif mark:
            fence, is_code = mark[1], mark[2].lower() not in _PLAIN_FENCES
        kept.append(line)
    return "\n".join(kept)


def _boxes(text: str) -> tuple[list[tuple[int, int, int]], bool]:
    """Return where each outermost box starts, its content starts and ends; is the last one open?"""
    closed: list[tuple[int, int, int]] = []
    stack: list[tuple[int, int] | None] = []  # None is a brace that opens no box
    last = -1
    for token in _TOKEN.finditer(text):
        if token[0] == "}":
            opened = stack.pop() if stack else None
            if opened is not None:
                closed.append((*opened, token.start()))
        elif token[0] == "{":
            stack.append(None)
        elif token["box"]:
            last = token.start()
            stack.append((last, token.end()))
        elif token["plain"]:
            last = token.start()
            closed.append((last, *token.span("plain")))
    outermost: list[tuple[int, int, int]] = []
    for span in sorted(closed):
        if not outermost or span[0] >= outermost[-1][2]:
            outermost.append(span)
    return outermost, last >= 0 and all(span[0] != last for span in closed)


def _boxed(text: str, spans: list[tuple[int, int, int]]) -> Found | None:
    """Return the last box with those that share its line, unless it is empty or denied."""
    line = [spans[-1]]
    for span in reversed(spans[:-1]):
        between = text[span[2] + 1 : line[-1][0]]
        if ("\n" in between and not _JOINED.fullmatch(between)) or _CORRECTED.search(between):
            break
        line.append(span)
    if not _content(text, line[0]) or _denied(text, line[0]):
        return None
    parts: dict[str, str] = {}  # by their text without spaces
    for span in reversed(line):
        content = _content(text, span)
        if span is line[0] or not (_BLANK.fullmatch(content) or _denied(text, span)):
            parts.setdefault("".join(content.split()), content)
    different = tuple(parts.values())
    if len(different) == 1:
        different = (_content(text, line[0]),)
    return Found(", ".join(different), "box", different)


def _content(text: str, span: tuple[int, int, int]) -> str:
    """Return a box's content, without math delimiters or emphasis around the whole."""
    content = text[span[1] : span[2]].strip()
    is_wrapped = content.startswith(("$", "*", "`", r"\(", r"\["))
    return tidy(content) if is_wrapped or text[span[1] - 1] != "{" else content


def _denied(text: str, span: tuple[int, int, int]) -> bool:
    """Say whether the words before a box deny it ("not")."""
    return bool(_DENIED.search(text[max(0, span[0] - 24) : span[0]].rpartition("\n")[2]))


def _hashes(text: str) -> str | None:
    """Return what follows the last ``####``, unless that is a heading."""
    end = len(text.rstrip())
    if re.search(r"(?<!#)####$", text[max(0, end - 5) : end]):
        return ""
    for mark in reversed(list(_HASHES.finditer(text))):
        line = mark[1].rstrip("# \t\r")
        is_heading = _HEADING.match(line) or line.endswith(":")
        if not is_heading and (mark.end() >= end or not re.match(r"[*_]*[^\W\d_]{2}", line)):
            return tidy(sentence(line) or "")
    return None


def _tagged(text: str) -> str | None:
    """Return the content of the last answer tag, or the answer of the last JSON object."""
    tags = list(_TAG.finditer(text))
    found = list(_JSON.finditer(text))
    if found and (not tags or tags[-1].start() < found[-1].start()):
        string, plain = found[-1].groups()
        if plain == "null":
            return ""
        return tidy(plain if string is None else string.replace("\\\\", "\\").replace('\\"', '"'))
    if not tags:
        return None
    if not tags[-1][1]:
        return ""  # cut off inside the tag
    opened = next((tag.end() for tag in reversed(tags) if not tag[1]), None)
    content = text[opened : tags[-1].start()].strip() if opened is not None else ""
    for rule in (said, _bold, _math, _fenced):
        inner = rule(content)
        if inner is not None:
            return inner
    return tidy(content)


def _bold(text: str) -> str | None:
    """Return a last line that is bold and nothing else."""
    before, _, line = text.rstrip().rpartition("\n")
    match = _BOLD.fullmatch(line.strip())
    if match is None or not is_short(match[2]) or _HEADING.match(match[2]):
        return None
    return "" if _OR.search(before[-40:]) else tidy(match[2])


def _math(text: str) -> str | None:
    """Return the display math that ends the text, or a last line that is inline math alone."""
    text = text.rstrip(" \t\r\n.*")
    before, _, line = text.rpartition("\n")
    if inline := _INLINE.fullmatch(line.strip(" \t*")):
        content = inline[1] or inline[2]
        return _formula("" if r"\)" in content else content, before)
    for opening, closing in _DISPLAYS:
        if text.endswith(closing):
            start = text.rfind(opening, 0, len(text) - 2)
            if start < 0 or (opening == closing and text.count("$$") % 2):
                return ""
            return _formula(text[start + 2 : -2], text[:start])
    if environment := _ENVIRONMENT.search(text[-40:]):
        name = "".join(environment.groups())
        before, opened, content = text.rpartition(rf"\begin{{{name}}}")
        return _formula(content.removesuffix(rf"\end{{{name}}}"), before) if opened else ""
    return None


def _formula(content: str, before: str) -> str | None:
    """Clean math that ends the text; empty if it is one of several, None if it is no answer."""
    line = before[-200:].rpartition("\n")[2]
    if _OR.search(before[-40:]) or any(mark in line for mark in ("$", r"\(", r"\[")):
        return ""
    content = " ".join(content.split())
    if sentence(f"{{{content}}}") is None:
        return ""
    return tidy(content.removesuffix(r"\\")) if is_short(content) else None


def _fenced(text: str) -> str | None:
    """Return the one short line of a code fence that ends the text."""
    lines = text.rstrip().rsplit("\n", 2)
    if len(lines) < 3 or not _FENCE.match(lines[0].rpartition("\n")[2]):
        return None
    if lines[2].strip(" \t`~") or not _FENCE.match(lines[2]):
        return None
    return tidy(lines[1]) if is_short(lines[1].strip()) and "=" not in lines[1] else None


def _bare(text: str) -> str | None:
    """Return the whole text if it is a short answer and no sentence."""
    text = text.strip()
    if not is_short(text) or text.startswith(("#", "```", "~~~")):
        return None
    first = sentence(text)
    return tidy(text) if first is not None and len(text) - len(first) <= 1 else None


_RULES: tuple[tuple[How, Callable[[str], str | None]], ...] = (
    ("hashes", _hashes),
    ("tag", _tagged),
    ("said", said),
    ("bold", _bold),
    ("math", _math),
    ("fence", _fenced),
    ("bare", _bare),
    ("stated", stated),
)
