r"""Answer phrases in nine languages, and where the answer after one ends.

"The answer is 42.", "Antwort: 42", "so (B) is the answer". A phrase that is denied, doubted or
asked commits to nothing; one that prose follows, or that speaks of somebody else's answer, is
passed over. Hedges such as "1 or 2" are not taken apart: they come back whole.

Left out: a grammar of any language. The tables below hold what models write, and a phrase that they
do not know is no answer. Every quantifier is bounded, and no text is read more than a few times.
"""
# ruff: noqa: RUF001 - full-width and typographic characters are what other languages write

from __future__ import annotations

import re

__all__ = ["is_short", "said", "sentence", "tidy"]

MAX_SHORT = 100  # characters of an answer with words in it that stands without an answer word
MAX_PLAIN = 1_000  # of one without words
MAX_WORDS = 6
MAX_SAID_WORDS = 12
MAX_READ = 50_000  # characters from the end in which a phrase is looked for
MAX_PHRASES = 50  # that may lead to prose before it is given up

_MARK = r"[*_\"'`}\)\] \t\u3000]{0,8}"
_NOUN = r"""
    (?:(?<![\w\\])|(?<=__)) (?: answers? | ans | final\ (?:result|solution|value)
      | (?:correct|right|best)\ (?:option|choice|alternative) | answer\ choice
      | (?:end)?ergebnis | antwort(?:en)? | lösung
      | r[ée]ponses? | r[ée]sultat\ final | respuestas? | respostas? | resultado\ final
      | rispost[ae] | risultato\ finale | ответ(?:ом|ы)? )
    (?: [ ] (?: finale? | correct[ea]? | corretta | correta | definitiva ) )? (?!\w)
  | 答案 | 最终结果 | 最終結果 | 答え | 解答 | 回答 | 正解"""
_NOT = r"""
    (?<!\w) (?: isn['’]t | aren['’]t | is\ not | cannot\ be | can['’]t\ be
      | (?:can|might|may|could)\ be
      | ist\ nicht | lautet\ nicht | könnte | n['’]est\ pas | pourrait | peut\ être
      | no\ es | podría | puede | n[ãa]o\ é | pode(?:ria)? | non\ è | potrebbe
      | не | может ) (?!\w)
  | 不是 | 并非 | 並非 | 不为 | 可能是 | 或许是"""
_VERB = r"""
    (?<!\w) (?: (?:is|are|was|equals?|becomes)(?:\ equal)?(?:\ to)? | (?:must|should|will|would)\ be
      | (?:comes|turns|works)\ out\ (?:to\ be|to|as)
      | ist | sind | lautet | lauten | beträgt | est | sont | vaut | es | son | é | è | são | sono
      | равен | равно | равна | это | является ) (?!\w)
  | 应?[该該]?(?:是|为|為) | 等于 | は | [:：]"""
_TOPIC = r"""
    (?: ,?\ (?:to|for|of|in|as|after|rounded|à|a|de|del|da|do|zu|für|auf|per|alla|на|к)(?!\w)
        [^.:=：\n]{0,60}?
      | [ ]?[(（][^()（）\n]{0,40}[)）] [*_ ]{0,4} )"""
_PHRASE = re.compile(
    rf"(?:{_NOUN}) (?: {_MARK} (?: (?P<no>{_NOT}) | {_VERB} | =>? | [→⇒—–] )"
    rf"             | {_TOPIC} [*_ ,]{{0,4}} (?: (?P<no2>{_NOT}) | {_VERB} ) ) [=:]?"
    r" | (?:(?<=^)|(?<=[。，,\s])) 答 [:：]"
    r" | (?:故|应|因此|所以|答案|應|正确) ?[选選][择擇项]?(?:项|是|为)? [:：]?",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_HEADING = re.compile(
    rf"^[ \t\#>*_✅]{{0,12}} (?:(?:the|my|our|die|la|a|le)\ )? (?:final|correct|endgültige)?\ ?"
    rf"(?:{_NOUN}|最终答案|最終的な答え|окончательный\ ответ) [*_:：\# \t]{{0,8}}$"
    r" | ^[ \t\#>*_]{0,12} final\ answer [*_ \t]{1,6} (?=[$\\(\d-])",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_CHOICE = re.compile(
    r"(?<!\w)(?:option|choice|answer|antwort|opción|opção|opzione|réponse|respuesta|вариант)\s"
    r"(?P<choice>[(*]{0,3}(?-i:[A-J])(?!\w)[)*.:]{0,4}(?:\s[^.\n]{1,60}?)??)\s(?:is|ist|est|es|é|è)\s"
    r"(?:the\s)?(?:only\s)?(?:correct|right|richtig|correcte?|correcta|corretta|correta)(?!\w)",
    re.IGNORECASE,
)
_LAST_WORDS = re.compile(
    r"(?:(?:so|thus|hence|therefore|then|and),?\s)?(?P<value>\S.{0,99}?)\s(?:is|must be)\s"
    r"(?:the|our|my)\s(?:final\s|correct\s|right\s)?answer\W{0,4}",
    re.IGNORECASE,
)

_RESET = re.compile(r"[,;:.!?。，、]|\b(?:so|thus|hence|therefore|then|but)\b", re.IGNORECASE)
_DOUBT = re.compile(
    r"\b(?:not(?! (?:hard|difficult|surprising|only))|never|cannot|unable|(?<!no )doubt"
    r"|whether|maybe|perhaps|possibly|unsure|unclear|unlikely|refuse|neither|nor"
    r"|nicht|kaum|vielleicht|ne|pas|peut-être|no (?:sé|creo)|quizás?|talvez"
    r"|forse|non|не|возможно|может быть)\b|n['’]t\b|\bor\s(?:the\s|my\s)?(?:final\s|correct\s)?$"
    r"|不知道|也许|也許|或者",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\bto\s*$|\b(?:if|unless|suppose|supposing|assuming|assume|wenn|falls|если)\b"
    r"|\b(?:wrong|incorrect|false|previous|earlier|initial|original|intermediate|alternative"
    r"|another|other|expected|reference|gold|golden|target|sample|example|ground[- ]truth"
    r"|(?:student|user|grader|teacher)['’]?s?|his|her|their|falsche|mauvaise)"
    r"(?:\s+(?:final|correct))?\s*$",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:[\s}=:：、，]|&=|\*\*(?=\s)|__(?=\s)"
    r"|(?:therefore|thus|hence|then|simply|just|indeed|clearly|given by|equal to|as follows"
    r"|donc|also|somit|daher|por lo tanto|entonces|portanto|quindi|dunque)(?!\w),?){1,8}",
    re.IGNORECASE,
)
_REASON = re.compile(
    r",?\s\(?(?:because|since|weil|denn|parce que|porque|perché|так как|потому что|因为)(?!\w)"
    r"|,\s(?:which|where|as (?:required|desired|claimed|shown|we)|as expected|so that"
    r"|and (?:(?-i:I)|we)|car|da)\s",
    re.IGNORECASE,
)
_DENIED = re.compile(r"(?:not|never|nicht|pas|no|non|не)\s+[\d$\\(+-]", re.IGNORECASE)
_PROSE = re.compile(
    r"(?:that|because|found|obtained|determined|computed|calculated|derived|based|in the form"
    r"|below|above|correct|incorrect|wrong|what|how|why|where|when|going|left|provided|shown)\b",
    re.IGNORECASE,
)
_POLITE = re.compile(r"(?:です|である|となります|になります|でした|だ)$")
_DENIED_AFTER = re.compile(r"(?:ではない|ではありません|じゃない)$")

_PIECE = re.compile(
    r"\\(?:begin|end)(?![A-Za-z])|\\.|\$\$(?:[^$\\]|\\.|\$(?!\$))*+\$\$|\$(?:[^$\n\\]|\\.)*+\$(?!\d)"
    r"|\$\$?|[][(){}\n]|[.!?。！？]",
    re.DOTALL,
)  # math as a whole, or what can open, close or end something
_OPENING = frozenset(["{", r"\begin", r"\(", r"\["])
_CLOSING = frozenset(["}", r"\end", r"\)", r"\]"])
_MONEY = re.compile(r"\$ ?\.?\d")
_GLUED = re.compile(r"\d\.[A-Z][a-z]")
_SHOUTED = re.compile(r"(?:[$*_]|[^\W\d_]{2})$")
_NEVER_ENDS = re.compile(r"(?:e\.g|i\.e|approx|vs|cf|resp|ca|z\.b|bzw|dr|mrs?|st|u\.s|v)$", re.I)
_MAY_END = re.compile(r"(?:[ap]\.m|etc|sq|ft|in|min|sec|hr|cm|mm|km|kg|no|nr)$", re.I)
_ACRONYM = re.compile(r"(?<!\w)[^\W\d_]\.[^\W\d_]$")
_LETTER = re.compile(r"[\s(*]{0,4}[A-J][\s)*]{0,4}")

_PAIRS = (
    *(
        ("```", "```"),
        ("**", "**"),
        ("__", "__"),
        ("$$", "$$"),
        (r"\[", r"\]"),
        (r"\(", r"\)"),
        ("$", "$"),
    ),
    *(("`", "`"), ("*", "*"), ("_", "_"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’")),
    *(("«", "»"), ("„", "“"), ("「", "」"), ("『", "』")),
)
_EMPHASIS = re.compile(r"(?<![\w*\\)}\]])(\*{1,3})(?=\S)([^*\n]{1,200})(?<=\S)\1(?![\w*])")
_WORD = re.compile(r"(?<!\\)(?<![^\W\d_])[^\W\d_]{2,}")
_NO_WORDS = frozenset(
    """sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt pi oo inf mod
    gcd lcm max min det abs frac dfrac tfrac cdot times infty pm text mathrm begin end pmatrix
    bmatrix vmatrix matrix cases array""".split()  # noqa: SIM905 - a list of words reads better
)
_SENTENCE_WORDS = frozenset(
    """is are was were be been am has have had do don did didn doesn isn can could would should will
    we you he she it this that these those so thus therefore hence because since let wait sorry
    please think guess answer problem question know got get maybe perhaps probably here
    ist sind ich wir est sont je nous es son eres è sono é são это мы""".split()  # noqa: SIM905
)
_STOCK = re.compile(r"(?:can ?not|can['’]t) be determined|there (?:is|are) no|does not|it is not")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SYMBOLS = re.compile(r"[^\W_]|[∞∅⊤⊥]")


def said(text: str) -> str | None:
    """Return the answer that the last answer phrase gives.

    Returns:
        The answer; the empty text if the last phrase denies, doubts, asks or was cut off, so that
        the response commits to nothing; None if no phrase has an answer after it.
    """
    text = text[-MAX_READ:]
    end = len(text)
    for phrase in reversed(_phrases(text)[-MAX_PHRASES:]):
        value = _value(text, phrase, end)
        if value is not None:
            return value
        end = phrase.start()
    return _last_words(text)


def _phrases(text: str) -> list[re.Match[str]]:
    """Return all phrases in their order, none inside another."""
    found = [match for rule in (_PHRASE, _HEADING, _CHOICE) for match in rule.finditer(text)]
    found.sort(key=lambda match: (match.start(), -match.end()))
    apart: list[re.Match[str]] = []
    for match in found:
        if not apart or match.start() >= apart[-1].end():
            apart.append(match)
    return apart


def _value(text: str, phrase: re.Match[str], end: int) -> str | None:
    """Return what one phrase gives: None to look at an earlier one, empty to stop."""
    clause = _clause(text, phrase.start())
    if _ELSEWHERE.search(clause):
        return None
    groups = phrase.groupdict()
    if groups.get("no") or groups.get("no2") or _DOUBT.search(clause):
        return ""
    if choice := groups.get("choice"):
        return "" if re.search(r"\b(?:and|or)\s*$", clause) else tidy(choice)
    rest = text[phrase.end() : end]
    if not rest.strip(" \t\r\n*_:.`\"'"):
        return "" if end == len(text) else None  # cut off, or a mention before the next phrase
    whole = sentence(_beginning(rest))
    return "" if whole is None else _answer(whole)


def _clause(text: str, end: int) -> str:
    """Return the words before a phrase that can turn its meaning."""
    before = text[max(0, end - 80) : end].rpartition("\n")[2]
    resets = list(_RESET.finditer(before))
    return before[resets[-1].end() :] if resets else before


def _beginning(rest: str) -> str:
    """Return what follows a phrase, on its line or, where that is bare, below it."""
    closes = re.match(r"[ \t]?(?:\*{1,3}|_{2})(?=[\s:]|[^*_\n]*$)", rest[:400])
    lead = _LEAD.match(rest, closes.end() if closes else 0)
    start = lead.end() if lead else (closes.end() if closes else 0)
    while again := _LEAD.match(rest, start):
        start = again.end()
    below = "\n" in rest[:start]
    rest = rest[start:]
    if rest.startswith("```"):
        return rest.partition("\n")[2].partition("```")[0].strip()
    return _listing(rest) if below else rest


def _listing(rest: str) -> str:
    """Join the short lines of one paragraph, which are parts of one answer, by commas."""
    rest = re.sub(r"^[*•]\s+", "", rest)
    lines = [line.strip() for line in rest.partition("\n\n")[0].split("\n") if line.strip()]
    if len(lines) == 1 or rest.startswith(("$$", r"\[", r"\begin")):
        return rest
    items = [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s+", "", line) for line in lines]
    if items[1:] != lines[1:] or all(is_short(item) and not _words(item) for item in items):
        return ", ".join(tidy(item) for item in items)
    return rest


def _answer(text: str) -> str | None:
    """Clean an answer; None if it is prose, empty if it says what the answer is not."""
    text = _EMPHASIS.sub(r"\2", text)
    if reason := _REASON.search(text):
        text = text[: reason.start()]
    text = tidy(text)
    if _DENIED.match(text) or _DENIED_AFTER.search(text[-20:]):
        return ""
    if _CJK.search(text[-8:]):
        text = tidy(_POLITE.sub("", text))
    if not _SYMBOLS.search(text) or _PROSE.match(text) or len(_words(text)) > MAX_SAID_WORDS:
        return None
    return text


def _last_words(text: str) -> str | None:
    """Return x of "so x is the answer", if that ends the text and x is no prose."""
    line = text.rstrip().rpartition("\n")[2][-300:]
    match = _LAST_WORDS.fullmatch(re.split(r"[.!?]\s", line)[-1].strip("*_ "))
    value = tidy(_EMPHASIS.sub(r"\2", match["value"])) if match else ""
    value = re.sub(r"^(?:option|choice)\s(?=\(?[A-J]\b)", "", value, flags=re.IGNORECASE)
    return value if value and is_short(value) and not _words(value) else None


def sentence(text: str) -> str | None:
    """Return the first sentence, or None if it asks or ends inside math, a brace or nothing.

    Full stops in numbers, abbreviations, math and brackets end no sentence, and a line's end does
    unless a brace or math is open.
    """
    depth = level = 0  # of brackets; of braces and display math, which nothing ends
    for token in _PIECE.finditer(text):
        piece, start = token[0], token.start()
        if piece in _CLOSING and not level:
            return text[:start]
        level += (piece in _OPENING) - (piece in _CLOSING)
        if level or piece in _CLOSING:
            continue
        if piece in ("$", "$$") and not _MONEY.match(text, start):
            is_stray = not re.match(r"\$[ .*_]{0,9}[^ .*_\n]", text[start : start + 12])
            return text[:start] if is_stray else None
        depth = max(0, depth + (piece in "([") - (piece in ")]"))
        if piece == "\n" or (not depth and piece in ".!?。！？" and _ends(text, start)):
            return None if piece in "?？" else text[:start]
    return None if level else text


def _ends(text: str, at: int) -> bool:
    """Say whether the mark here ends a sentence."""
    mark, before, after = text[at], text[max(0, at - 8) : at], text[at + 1 : at + 2]
    if mark in "。！？?":
        return True
    if after and not after.isspace() and after not in "*_\"'”»)":
        return bool(_GLUED.match(text, at - 1))
    if mark == "!":  # a factorial, unless math, emphasis or a word stands before it
        return bool(_SHOUTED.search(before))
    following = text[at + 1 : at + 200].lstrip(" \t*_")
    if at <= 12 and _LETTER.fullmatch(text[:at]):  # "B. 5 apples" is one answer
        return not is_short(following.partition("\n")[0].partition(". ")[0].rstrip("."))
    return _full_stop(before, following)


def _full_stop(before: str, following: str) -> bool:
    """Say whether a dot between two texts is more than an abbreviation's or an ellipsis's."""
    word = re.split(r"[\s(]", before)[-1]
    if before.endswith(".") or following.startswith(".") or _NEVER_ENDS.fullmatch(word):
        return False
    if not following:
        return not _ACRONYM.search(before)
    return not _MAY_END.fullmatch(word) or following[0].isupper()


def tidy(text: str) -> str:
    """Drop emphasis, quotes, math delimiters around the whole, and what closes a sentence."""
    for _ in range(8):  # a bound, not a need: nobody nests deeper
        before = text
        text = _unended(text.strip())
        text = _unpaired(text)
        for opening, closing in _PAIRS:
            inner = text[len(opening) : len(text) - len(closing)]
            if text.startswith(opening) and text.endswith(closing) and inner:
                plain = inner.replace(r"\$", "")
                if opening not in plain and closing not in plain and not inner.endswith("\\"):
                    text = inner.strip()
        if text == before:
            break
    return text


def _unended(text: str) -> str:
    """Drop a closing full stop, comma or semicolon, but no ellipsis and no dot of an acronym."""
    text = text.removesuffix(r"\\").rstrip(" \t✅✓☑∎")
    if text[-1:] in ("。", ",", ";", "，", "；"):
        return text[:-1].rstrip()
    if text.endswith(".") and not text.endswith("..") and not _ACRONYM.search(text[-8:-1]):
        return text[:-1].rstrip()
    return text


def _unpaired(text: str) -> str:
    """Drop emphasis and brackets that close or open nothing here, and a leading equals sign."""
    for mark in ("**", "__"):
        if text.count(mark) == 1:
            text = text.removeprefix(mark).removesuffix(mark)
    if text.endswith(")") and text.count(")") > text.count("(") + text.count("["):
        text = text[:-1]
    if text.endswith("*") and text.count("*") == 1 and not text.endswith("^*"):
        text = text[:-1]
    return text.removeprefix("&").removeprefix("=").strip() if text[:2] != "==" else text


def is_short(text: str) -> bool:
    """Say whether a text is a number, an expression or a few words, and no sentence."""
    words = _words(text)
    if "\n" in text or not _SYMBOLS.search(text) or text[-1:] in (":", "?", "：", "？"):
        return False
    if len(text) > (MAX_SHORT if words else MAX_PLAIN) or len(words) > MAX_WORDS:
        return False
    cjk = _CJK.findall(text)
    if len(cjk) > 8 or set("是我はが") & set(cjk):
        return False
    return not any(word in _SENTENCE_WORDS for word in words)


def _words(text: str) -> list[str]:
    r"""Return the words of two letters or more, without commands and names of functions."""
    stocked = _STOCK.sub(" ", text.casefold())
    return [word for word in _WORD.findall(stocked) if word not in _NO_WORDS]
