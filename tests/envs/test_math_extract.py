# ruff: noqa: RUF001 - full-width and typographic characters are what other languages write
from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.errors import UsageError
from agentgym_envs.math import extract, verify
from agentgym_envs.math.extract import MAX_RESPONSE, Found, find
from agentgym_envs.math.phrases import is_short, sentence, tidy

BOXES = [
    (r"so \boxed{33}", "33"),
    (r"\boxed{ 33 }.", "33"),
    (r"\boxed{\frac{1}{2}} done", r"\frac{1}{2}"),
    ("first \\boxed{1}\nno, \\boxed{2}", "2"),
    ("Step 1: \\boxed{3}\n\nStep 2: \\boxed{5}\n\nIn all \\boxed{8}", "8"),
    (r"\boxed{5} and again \boxed{5}", "5"),
    (r"\boxed{x = 5} and again \boxed{x=5}", "x=5"),
    (r"I put it in \boxed{}: \boxed{5}", "5"),
    (r"\boxed{\boxed{5}}", r"\boxed{5}"),
    (r"\boxed{\boxed{5}} again \boxed{\boxed{5}}", r"\boxed{5}"),
    (r"\fbox{7}", "7"),
    (r"$\boxed 5$", "5"),
    (r"$\boxed5$", "5"),
    (r"$\boxed -12.5$.", "-12.5"),
    (r"The choice is \boxed B.", "B"),
    (r"\\boxed{5}", "5"),
    (r"x = 5 \\\boxed{5}", "5"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    ("\\boxed{\n5\n}", "5"),
    (r"\boxed{$5$}", "5"),
    (r"\boxed{**5**}", "5"),
    (r"\boxed{1 or 2}", "1 or 2"),
    (r"mentions \boxed{ and never closes it" + "\n" + r"\boxed{4}", "4"),
    (r"Answer: 3, no: \boxed{4}", "4"),
    ("\\boxed{4}\n#### 5\nThe answer is 6", "4"),
    (r"not \boxed{4}, it is \boxed{5}", "5"),
    ("```latex\n\\boxed{5}\n```", "5"),
    ("```python\nprint('\\boxed{6}')\n```\nso \\boxed{5}", "5"),
]

THINKING = [
    (r"<think>maybe \boxed{1}</think>\boxed{2}", "2"),
    (r"thinking that the template opened \boxed{1}</think>\boxed{2}", "2"),
    (r"<THINKING>\boxed{1}</THINKING>The answer is 2.", "2"),
    ("<reasoning>The answer is 1.</reasoning>\n<answer>2</answer>", "2"),
    (r"[THINK]\boxed{1}[/THINK]2", "2"),
    (r"◁think▷\boxed{1}◁/think▷2", "2"),
    (r"<think>a</think><think>\boxed{1}</think>\boxed{3}", "3"),
    ("<|channel|>analysis<|message|>\\boxed{1}<|end|><|channel|>final<|message|>2<|return|>", "2"),
    (r"<|begin_of_thought|>\boxed{1}<|end_of_thought|>The answer is 2", "2"),
    ("<think>no</think>\n\n42<|im_end|><|endoftext|>\n", "42"),
]

HASHES = [
    ("work\n#### 1,200", "1,200"),
    ("#### 3\n#### 4", "4"),
    ("6 * 7 = 42. #### 42", "42"),
    ("#### **42**", "42"),
    ("#### $5", "$5"),
    ("#### $\\frac12$.", r"\frac12"),
    ("#### 42\n\nI hope this helps.", "42"),
    ("#### Paris", "Paris"),
    ("#### Conclusion\nThe answer is 5", "5"),
    ("#### Step 4: add\n\nThe answer is 5.", "5"),
    ("#### Final Answer\n\n42", "42"),
    ("#### Answer: 42", "42"),
]

ENGLISH = [
    ("The final answer is 42.", "42"),
    ("The answer is: 42", "42"),
    ("**Answer:** 42", "42"),
    ("**Answer**: 42", "42"),
    ("**Answer: 42**", "42"),
    ("**Final answer: 42**", "42"),
    ("**The answer is** 42.", "42"),
    ("The answer is **42**.", "42"),
    ("The answer is **5** apples.", "5 apples"),
    ("__Answer:__ 42", "42"),
    ("answer = 42", "42"),
    ("Answer => 42", "42"),
    ("ANS: 42", "42"),
    ("Answer → 42", "42"),
    ("**Final answer**\n\n5", "5"),
    ("## Final Answer\n\n$$\n5\n$$", "5"),
    ("### Answer:\n\\[ x = 5 \\]\nas was asked", "x = 5"),
    ("Final Answer: The final answer is $X$. I hope it is correct.", "X"),
    (r"Final Answer: The final answer is $\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}"),
    ("Final answer $42$", "42"),
    ("The answer is 3.14. It is rounded.", "3.14"),
    ("The answer is 0.333...", "0.333..."),
    ("The answer is 1,234.", "1,234"),
    ("The answer is $5.", "$5"),
    ("The answer is $5. The other costs $10.", "$5"),
    ("The answer is \\$5.50.", "\\$5.50"),
    ("The answer is 2:30 p.m. on Monday.", "2:30 p.m. on Monday"),
    ("The answer is 5! = 120.", "5! = 120"),
    ("The answer is $42$! We are done.", "42"),
    ("The answer is $(1, 2)$, which is a point.", "(1, 2)"),
    ("The answer is (1.5, 2).", "(1.5, 2)"),
    ("The answer is [0, 1).", "[0, 1)"),
    ("The answer is ]0, 1[.", "]0, 1["),
    ("The answer is 42 because 6*7 = 42.", "42"),
    ("The answer is $x^2 + C$, where $C$ is constant.", "x^2 + C"),
    ("The answer is 5.\n\nLet me know if the answer is unclear.", "5"),
    ("The answer is 12/3, so the answer is 4.", "4"),
    ("The answer to problem 42 is 7.", "7"),
    ("The answer, in simplest form, is 1/2.", "1/2"),
    ("Answer (in metres): 5", "5"),
    ("The answer must be 5", "5"),
    ("The answer is 7.Then we stop.", "7"),
    ("The answer is 42, and I am confident.", "42"),
    ("The answer is 42, but I am not sure.", "42, but I am not sure"),
    ("The answer is > 5", "> 5"),
    ("Answer: 42 ✅", "42"),
    ("(The answer is 5)", "5"),
    ("The answer is therefore 5.", "5"),
    ("There is no doubt that the answer is 5.", "5"),
    ("Since x is not zero, the answer is 5.", "5"),
    (r"$\text{The answer is } 5$", "5"),
    (r"\textbf{Answer: 5}", "5"),
    (r"\(\text{Answer} = 5\)", "5"),
    ("The answers are 1 and 2.", "1 and 2"),
    ("Answer: 1 or 2", "1 or 2"),
    ("The answer is either 1 or 2.", "either 1 or 2"),
    ("The answer is probably 5.", "probably 5"),
    ("Answer:\n1\n2", "1, 2"),
    ("**Answers:**\n- x = 1\n- x = 2", "x = 1, x = 2"),
    ("Answer: no solution", "no solution"),
    ("The answer is `42`.", "42"),
    ('The answer is "Paris".', "Paris"),
    ("The answer is found by adding.\n\n$$x = 7$$", "x = 7"),
    ("So x = 5 is the answer.", "x = 5"),
    ("It took long. Thus, $\\frac12$ is the final answer.", r"\frac12"),
    ("Answer:\n```\n42\n```", "42"),
    ("The answer is $\\{1, 2\\}$ and nothing else. Done.", r"$\{1, 2\}$ and nothing else"),
    ("The answer is $$\n\\frac{1}{2}\n$$\nDone.", r"\frac{1}{2}"),
    (
        "The answer is \\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}. Done.",
        "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}",
    ),
]

LANGUAGES = [
    ("Die Antwort ist 5.", "5"),
    ("**Antwort:** 3,5", "3,5"),
    ("Die endgültige Antwort lautet also $5$.", "5"),
    ("Das Ergebnis beträgt 5 cm.", "5 cm"),
    ("La réponse est donc 5.", "5"),
    ("**Réponse finale :** $\\frac12$", r"\frac12"),
    ("La respuesta es 5.", "5"),
    ("Respuesta final: 5", "5"),
    ("A resposta final é 5.", "5"),
    ("Resposta: 5", "5"),
    ("La risposta corretta è 5.", "5"),
    ("Risposta: x = 5", "x = 5"),
    ("所以答案是5。", "5"),
    ("**答案：** $\\frac{1}{2}$", r"\frac{1}{2}"),
    ("最终答案为：42。谢谢", "42"),
    ("故选：C", "C"),
    ("因此选 B。", "B"),
    ("Ответ: 5.", "5"),
    ("Окончательный ответ — 5", "5"),
    ("Ответ равен $-5$.", "-5"),
    ("したがって、答えは 5 です。", "5"),
    ("答え：12", "12"),
    ("答えは、5です。", "5"),
    ("最終的な答えは $\\sqrt{2}$ となります。", r"\sqrt{2}"),
]

CHOICES = [
    ("The answer is (B) 5 apples.", "(B) 5 apples"),
    ("The answer is (B).", "(B)"),
    ("The answer is B) 5 apples", "B) 5 apples"),
    ("The answer is B. 5 apples. It fits.", "B. 5 apples"),
    ("The answer is B. This follows from the above.", "B"),
    ("**Answer: C. Paris**", "C. Paris"),
    ("Option C is correct.", "C"),
    ("Therefore option (D) 12 is the correct choice, as A is too small.", "(D) 12"),
    ("The correct option is B.", "B"),
    ("Antwort C ist richtig.", "C"),
    ("(B)", "(B)"),
    ("B) 5 apples", "B) 5 apples"),
    ("Thus option B is the answer.", "B"),
]

STATEMENTS = [
    ("There are 42 apples.", "42 apples"),
    ("So there are **42** apples.", "42 apples"),
    ("The probability is 5/36.", "5/36"),
    ("The vertex is (2, -5).", "(2, -5)"),
    ("He earns $2 million.", "$2 million"),
    ("Hence ∠ABC = 90°.", "90°"),
    ("The left and right limits differ, so the limit does not exist.", "does not exist"),
    ("We add 3 and 4. So the sum is 7.", "7"),
    ("I count \\boxed{12}. Wait, one was missed. It is \\boxed{13}.", "13"),
]
OTHERS = [
    ("So we add.\n\n**42**", "42"),
    ("So we add.\n\n__42__.", "42"),
    ("**$x = 5$**", "x = 5"),
    ("We add.\n$$x = 5$$", "x = 5"),
    ("We add.\n\\[\n  x = 5.\n\\]\n", "x = 5"),
    ("Hence \\[ 5 \\]", "5"),
    ("We add.\n\n$5$.", "5"),
    (r"We add." + "\n" + r"\(x = 5\)", "x = 5"),
    ("We add.\n\\begin{equation*}\nx = 5\n\\end{equation*}", "x = 5"),
    ("We add.\n```\n42\n```", "42"),
    ("```text\nno solution\n```", "no solution"),
    ("<answer>42</answer>", "42"),
    ("<answer> 41 </answer>\nno\n<answer>\n42\n</answer>", "42"),
    ("<answer>The answer is 42.</answer>", "42"),
    ("<final_answer>1 or 2</final_answer>", "1 or 2"),
    ("The answer is 41. <answer>42</answer>", "42"),
    ('{"reasoning": "6*7", "answer": 42}', "42"),
    ('```json\n{"answer": "\\\\frac{1}{2}"}\n```', r"\frac{1}{2}"),
    ('{"final_answer": [1, 2]}', "[1, 2]"),
    ("33", "33"),
    (" 33. \n", "33"),
    ("**33**", "33"),
    ("-1.5", "-1.5"),
    ("$5", "$5"),
    ("5!", "5!"),
    (r"$\frac{1}{2}$", r"\frac{1}{2}"),
    ("x = 5", "x = 5"),
    ("12 apples", "12 apples"),
    ("no solution", "no solution"),
    ("Cannot be determined", "Cannot be determined"),
    ("1 or 2", "1 or 2"),
    ("2:30 p.m.", "2:30 p.m."),
    ("∅", "∅"),
    ("无解", "无解"),
]

NOTHING = [
    *("", "   ", ".", "####", "**", "$$", "\\boxed", "}{", "```python\n```", "???"),
    # Boxes that are empty, open, denied or at odds.
    r"\boxed{}",
    r"\boxed{   }",
    "\\boxed{5}\nI put the answer in \\boxed{}.",
    r"\boxed{33",
    r"\boxed{1} then \boxed{2",
    "\\boxed{1}\nso it is \\boxed{\\frac{1}{2}",
    "\\boxed{1}\nso it is \\boxed",
    r"\boxed{1} or \boxed{2}",
    "\\boxed{1}\n\nor\n\n\\boxed{2}",
    r"It is not \boxed{5}.",
    "```python\nprint('\\boxed{33}')\n```",
    "```python\nprint('\\boxed{33}')\n",
    # Thinking.
    r"<think>\boxed{33}</think>",
    r"<think>\boxed{33}",
    r"<think>a</think> <think>\boxed{33}",
    "<think>The answer is 5.</think>I could not finish.",
    "<|channel|>analysis<|message|>The answer is 5",
    r"\boxed{5}<think>hm</think>",
    # Hashes.
    "#### 5\n####",
    "#### Step 4: add 42",
    r"#### \frac{1",
    # Phrases denied, doubted, asked, cut off or about something else.
    "I cannot determine the answer to problem 42",
    "I cannot determine the answer to problem 42. Sorry.",
    "The answer is not 5.",
    "The answer isn't 5.",
    "The answer is 5. Wait, the answer is not 5.",
    "I don't think the answer is 5.",
    "I am not sure whether the answer is 5.",
    "Perhaps the answer is 5.",
    "The answer might be 5.",
    "The answer is 1 or the answer is 2.",
    "Is the answer 5?",
    "The answer is 5, right?",
    "If the answer is 5, we are done.",
    "A wrong answer is 5.",
    "The expected answer is 42",
    "The reference answer: 42",
    "The student's answer is 42",
    "I refuse to answer: 42",
    "The answer is",
    "**Final answer:**",
    "The answer is $",
    "The answer is $x + 1",
    r"The answer is \frac{1}{2",
    r"The answer is \[ x = 5",
    "So 5 is not the answer.",
    "This is the answer.",
    "Neither option B nor option C is correct.",
    "Option A is correct and option B is correct.",
    "Die Antwort ist nicht 5.",
    "La réponse n'est pas 5.",
    "La respuesta no es 5.",
    "A resposta não é 5.",
    "La risposta non è 5.",
    "答案不是5。",
    "Ответ не 5.",
    "答えは5ではありません。",
    # Tags.
    "<answer>42",
    "<answer></answer>",
    '{"answer": null}',
    "<answer>41</answer> no, <answer>42",
    # The end in bold, in math, in a fence.
    "We add.\n**Verification:**",
    "We add.\n**Step 3**",
    "Either\n**1**\nor\n**2**",
    "We add $$x =",
    "Either $$1$$ or $$2$$",
    "$1$\nor\n$2$",
    "We add.\n```python\n42\n```",
    "We add.\n```\nanswer = 42\n```",
    "We add.\n```\nx = 1\ny = 2\n```",
    # Prose and cut-off text.
    "So we get 42",
    "We add 3 and 4. The sum is 7.",
    "The sum is not 7.",
    "If x is 7, the sum is 9.",
    "The first number is 7.",
    "I think it is 42",
    "6*7\n= 42",
    "What is 42?",
    "The total:",
    r"\frac{1}{2",
    "$x = 5",
    "42\n```python\nprint(1)\n```",
    "I add the first and the second number and then halve the sum that comes out",
]

FOUND = [*BOXES, *THINKING, *HASHES, *ENGLISH, *LANGUAGES, *CHOICES, *STATEMENTS, *OTHERS]


@pytest.mark.parametrize(("response", "answer"), FOUND)
def test_extract_finds(response: str, answer: str) -> None:
    assert extract(response) == answer


@pytest.mark.parametrize("response", NOTHING)
def test_extract_finds_nothing_in(response: str) -> None:
    assert extract(response) is None


@pytest.mark.parametrize(
    ("response", "how"),
    [
        (r"\boxed{5}", "box"),
        ("#### 5", "hashes"),
        ("<answer>5</answer>", "tag"),
        ("The answer is 5", "said"),
        ("So:\n**5**", "bold"),
        ("So:\n$$5$$", "math"),
        ("So:\n```\n5\n```", "fence"),
        ("5", "bare"),
    ],
)
def test_find_says_how(response: str, how: str) -> None:
    found = find(response)
    assert found is not None
    assert (found.text, found.how, found.parts) == ("5", how, ("5",))


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        (r"$x = \boxed{1}$ and $y = \boxed{2}$", ("1", "2")),
        (r"\boxed{2}, \boxed{1}, \boxed{ 2 }", ("2", "1")),
        ("\\boxed{9}\n\\boxed{1} or \\boxed{2}", ("1", "2")),
        ("\\[\\boxed{1}\\]\n\\text{ or }\n\\[\\boxed{2}\\]", ("1", "2")),
    ],
)
def test_find_gives_boxes_that_differ_on_one_line(response: str, parts: tuple[str, ...]) -> None:
    assert find(response) == Found(", ".join(parts), "box", parts)
    assert extract(response) is None


def test_find_reads_the_end_of_a_long_final_part() -> None:
    assert extract("x " * MAX_RESPONSE + r"\boxed{5}") == "5"
    assert extract(r"\boxed{5}" + " x" * MAX_RESPONSE) is None
    assert extract("<think>" + "x " * MAX_RESPONSE + "The answer is 5") is None
    assert extract("x " * MAX_RESPONSE + "</think>5") == "5"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("3.14. Then", "3.14"),
        ("e.g. 5. Then", "e.g. 5"),
        ("5 ft. tall. Then", "5 ft. tall"),
        ("5 ft. Then", "5 ft"),
        ("(a. b). c", "(a. b)"),
        ("$a. b$. c", "$a. b$"),
        ("{a. b}. c", "{a. b}"),
        ("5} and 6", "5"),
        ("5$ and", None),
        ("5$", "5"),
        ("5?", None),
        ("{5", None),
    ],
)
def test_sentence_ends_outside_numbers_math_and_brackets(text: str, first: str | None) -> None:
    assert sentence(text) == first


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("**`$5$`**.", "5"),
        ("2*3", "2*3"),
        ("$5$ and $6$", "$5$ and $6$"),
        ("x_1", "x_1"),
        ("f'", "f'"),
        ("\u201c5\u201d", "5"),
        ("f(x)", "f(x)"),
        ("5)", "5"),
        ("= 5", "5"),
        ("1...", "1..."),
        ("z^*", "z^*"),
    ],
)
def test_tidy_drops_only_what_stands_around_the_whole(text: str, kept: str) -> None:
    assert tidy(text) == kept


def test_short_answers_are_no_sentences() -> None:
    assert all(map(is_short, ["5", "all real numbers", r"\sin x + \cos y", "x = 1 and y = 2"]))
    assert not any(map(is_short, ["it is 5", "a\nb", "so:", "one two three four five six seven"]))
    assert is_short("1" * 1_000)
    assert not is_short("1" * 1_001)


MARKS = ["\\boxed{", "}", "$", "**", "####", "answer is ", "\n", "```", "<think>", "</think>", "5",
         "\\(", "\\[", "\\]", ".", "答案是", "not ", "<answer>", "</answer>", '{"answer": "', "_",
         " or ", "(", ")", "\\", "Option C", " is correct", "#", ":", "\x00", "\ud800"]  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.sampled_from(MARKS), max_size=30).map("".join)))
@settings(max_examples=400)
def test_extract_never_raises(text: str) -> None:
    found = extract(text)
    assert found is None or found.strip()


@given(st.text(st.characters(), max_size=40))
def test_extract_never_raises_on_any_character(text: str) -> None:
    for start in ("", "The answer is ", "#### ", "\\boxed{", "$$", "**"):
        found = find(start + text)
        assert found is None or (found.text and found.parts)


@given(st.text(alphabet="abc123+-=(),. "), st.text(alphabet="xyz \n<>"))
def test_extract_reads_back_a_box_after_any_prose(content: str, prose: str) -> None:
    assert extract(f"{prose}\\boxed{{{content}}}") == (content.strip() or None)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map("{:f}".format))
def test_extract_reads_back_a_number_in_every_frame(number: object) -> None:
    for frame in ("{}", "The answer is {}.", "**Answer:** {}", "#### {}", "**{}**", "$$ {} $$",
                  "<answer>{}</answer>", "Answer: ${}$, since it fits.", "答案是{}。",
                  "<think>\\boxed{{1}}</think>Antwort: {}"):  # fmt: skip
        assert extract(frame.format(number)) == str(number)


@given(st.integers(), st.text(alphabet="ab 5.$\\{}*\n", max_size=40))
def test_extract_takes_nothing_from_thinking(number: int, thought: str) -> None:
    assert extract(f"<think>{thought}\\boxed{{{number}}}</think>") is None
    assert extract(f"<think>{thought} the answer is {number}") is None


BOMBS = [
    *(
        "\\boxed{",
        "\\boxed{1} ",
        "\\boxed ",
        "{",
        "}",
        "*",
        "**",
        "_",
        "$",
        "$$",
        "$1",
        "`",
        "```\n",
    ),
    *("```a", " ", "\n", " \n", "(", "[", "\\(", "\\[", "\\", "#", "####", "#### 1 ", "#### a\n"),
    *("<think>", "<think ", "</think>", "answer is ", "answer ", "answer is not ", "answer to "),
    *("answer:\n", "answer (", "Option C ", "if the answer is 5 ", "the answer is found by "),
    *("答案", "e.g. ", "answer is e.g. ", ". ", "a.", "!", "<answer>", "</answer>", "<|end|>", '"'),
    *('{"answer": "', '"answer": ["', "\\begin{a}", "$\\(", "**a", "1, ", "a ", "- 1\n", "\\\\"),
    *("'", "\u200b", "✅", "1.", "is the answer "),
]


@pytest.mark.parametrize("unit", BOMBS, ids=range(len(BOMBS)))
@pytest.mark.parametrize("frame", ["{}", "Answer:\n{}."], ids=range(2))
def test_extract_takes_time_in_proportion_to_length(unit: str, frame: str) -> None:
    """Eight times the text may take some 8 times as long; quadratic code would take 64 times."""
    small, large = (frame.replace("{}", unit * (size // len(unit))) for size in (5_000, 40_000))
    assert seconds(large) < 24 * max(seconds(small), 1e-3)


def seconds(response: str) -> float:
    """Return the least time of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        extract(response)
        times.append(time.process_time() - start)
    return min(times)


def test_verify_says_what_it_found_and_why() -> None:
    right = verify(r"I think \boxed{33.0}", 33)
    assert (right.score, right.extracted, right.reason) == (1.0, "33.0", "right: the same number")
    wrong = verify(r"\boxed{34}", "33")
    assert (wrong.score, wrong.extracted, wrong.reason) == (
        0.0,
        "34",
        "wrong: not shown to be equal",
    )
    none = verify("I got 33", "33")
    assert (none.score, none.extracted) == (0.0, None)
    assert "boxed" in none.reason


@pytest.mark.parametrize("gold", ["", "  ", None])
def test_verify_refuses_an_empty_gold(gold: object) -> None:
    with pytest.raises(UsageError, match="gold answer is empty"):
        verify(r"\boxed{}", gold)


def test_verify_refuses_a_limit_of_no_time() -> None:
    with pytest.raises(UsageError, match="timeout_s must be positive"):
        verify(r"\boxed{1}", "1", timeout_s=0)
