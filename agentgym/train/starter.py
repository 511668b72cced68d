"""The starter policy: a character-level chat model that fits a laptop, made here from scratch.

No weights are downloaded. The tokenizer has one id per UTF-8 byte, one per control token, whole
ids for the few openings that a turn is made of and, where a recipe asks for them, ids for the
commonest subwords of the demonstrations: for episodes that are long to spell. The model is
Qwen2-shaped with 0.3 million parameters. `ensure_starter` teaches it by teacher forcing on what an
environment demonstrates: correct episodes mixed with bad habits, so that it explores, errs, and
leaves reinforcement learning something to select. The result is cached by a hash of its recipe.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["StarterRecipe", "cache_folder", "ensure_starter", "make_model", "make_tokenizer"]

CONTROL = ("<|user|>", "<|assistant|>", "<|tool|>", "<|end|>", "<|pad|>")
PIECES = ("<tool_call>", "</tool_call>", "```python\n", "\n```", "\\boxed{")

# What a subword may lie in: never across a space, and a capitalised word, a digit and the name in
# an address stand alone, so that they are the same ids in a question as in the code that answers.
_ADDRESS = r"[a-z]+\.[a-z]+@"
WORDS = (
    rf"{_ADDRESS}|[A-Z][A-Za-z]*|[0-9]|\s+(?=[A-Z0-9]|{_ADDRESS})"
    rf"|\s?[^\sA-Z0-9]+?(?={_ADDRESS}|[\sA-Z0-9]|$)|\s+"
)

# The system message and the tool schemas are left out: at one id a character they would be most
# of every episode, and a model of this size learns the format from demonstrations instead.
CHAT_TEMPLATE = """
{%- for message in messages -%}
{%- if message.role == 'user' -%}<|user|>{{ message.content }}<|end|>
{%- elif message.role == 'tool' -%}<|tool|>{{ message.content }}<|end|>
{%- elif message.role == 'assistant' -%}<|assistant|>{{ message.content }}
{%- for call in message.tool_calls or [] -%}
<tool_call>{{ (call.function or call) | tojson }}</tool_call>
{%- endfor -%}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""


@dataclass(frozen=True, slots=True)
class StarterRecipe:
    """All that decides the starter's weights; its hash names the cache folder.

    Attributes:
        env: Whose demonstrations it learns.
        env_kwargs: Keyword arguments of that environment.
        flawed: Share of demonstrations that show a bad habit.
        demonstrations: How many episodes are written out.
        steps: Optimizer steps.
        batch: Episodes a step.
        lr: Peak learning rate of the matrices (Muon); all else takes a quarter of it (AdamW).
        hidden, layers, heads, intermediate: Shape of the model.
        tied: Whether the input embeddings are the output head too.
        context: Most tokens of a conversation.
        subwords: Ids for the commonest subwords of the demonstrations; with 0 text is spelled.
        seed: Of the weights, the demonstrations and their order.
        version: Rises when this module or an environment's demonstrations change meaning.
    """

    env: str = "agentgym/PythonMath-v0"
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    flawed: float = 0.7
    demonstrations: int = 20_000
    steps: int = 350
    batch: int = 64
    lr: float = 0.02
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    intermediate: int = 256
    tied: bool = True
    context: int = 512
    subwords: int = 0
    seed: int = 0
    version: int = 1

    def digest(self) -> str:
        """Return 12 hex digits that name this recipe."""
        text = json.dumps(asdict(self), sort_keys=True, default=dict)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def make_tokenizer(subwords: int = 0, texts: Iterable[str] = ()) -> Any:
    """Return a tokenizer by which any text round-trips.

    Args:
        subwords: How many ids are learned from the texts, besides one per UTF-8 byte.
        texts: What to learn them from.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({char: index for index, char in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if subwords:
        words = pre_tokenizers.Split(Regex(WORDS), "isolated")
        core.pre_tokenizer = pre_tokenizers.Sequence([words, core.pre_tokenizer])
        trainer = trainers.BpeTrainer(
            vocab_size=len(alphabet) + subwords, initial_alphabet=alphabet, show_progress=False
        )
        core.train_from_iterator(texts, trainer)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    core.add_tokens([AddedToken(text, normalized=False) for text in PIECES])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(CONTROL[:3]),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE.strip()
    return tokenizer


def make_model(recipe: StarterRecipe, tokenizer: Any) -> Any:
    """Return the model with random weights drawn from the recipe's seed."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=-(-len(tokenizer) // 32) * 32,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=recipe.tied,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return Qwen2ForCausalLM(config)


def cache_folder() -> Path:
    """Return where starters are kept: ``$AGENTGYM_CACHE`` or ``~/.cache/agentgym``."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "agentgym"
    return Path(os.environ.get("AGENTGYM_CACHE", default))


def ensure_starter(
    recipe: StarterRecipe | None = None, progress: Callable[[str], None] | None = None
) -> Path:
    """Return the folder of the starter policy, made first if this recipe is not cached.

    The folder is written aside and renamed, so an interrupted run leaves no half-made starter.

    Args:
        recipe: What to make; None is the default.
        progress: Called with one line now and then.

    Returns:
        A Hugging Face model folder: weights, configuration, tokenizer with its chat template.
    """
    recipe = recipe or StarterRecipe()
    target = cache_folder() / f"starter-{recipe.digest()}"
    if (target / "config.json").exists():
        return target
    from agentgym.train.sft import demonstrate, encoded, teach

    report = progress or (lambda _: None)
    episodes = demonstrate(recipe, report)
    texts = (message.content for episode in episodes for message in episode)
    tokenizer = make_tokenizer(recipe.subwords, texts)
    samples = encoded(tokenizer, episodes)
    model = teach(make_model(recipe, tokenizer), samples, recipe, report)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    aside.chmod(0o755)  # a cache may be shared
    try:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        recipe_text = json.dumps(asdict(recipe), indent=2, default=dict)
        (aside / "recipe.json").write_text(recipe_text)
        if not (target / "config.json").exists():  # nobody was quicker
            shutil.rmtree(target, ignore_errors=True)
            aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target
