"""Chat templates that end a turn by another token than the tokenizer's, or refuse a role."""

from __future__ import annotations

from pathlib import Path

import parity_env  # noqa: F401 - registers the environment
import pytest

import agentgym as ag
from agentgym.chat.template import ChatTemplate
from agentgym.errors import ChatTemplateError
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.transcript import Transcript
from agentgym.train.starter import CHAT_TEMPLATE, make_tokenizer
from agentgym.types import Completion, Message, SamplingParams

STRICT = (
    "{%- for message in messages -%}{%- if message.role == 'tool' -%}"
    "{{ raise_exception('roles must alternate') }}{%- endif -%}"
    "<|user|>{{ message.content }}<|end|>{%- endfor -%}<|assistant|>"
)


def test_turn_is_ended_once_where_the_template_trims_it() -> None:
    tokenizer = make_tokenizer()
    end = tokenizer.eos_token_id
    tokenizer.eos_token = "<|pad|>"  # the generation config alone knows what ends a turn
    tokenizer.chat_template = CHAT_TEMPLATE.strip().replace(
        "<|assistant|>{{ message.content }}", "<|assistant|>{{ message.content | trim }}"
    )
    template = ChatTemplate(tokenizer, stop_ids=(end,))
    transcript = Transcript(template)
    transcript.observe([Message("user", "hi")])
    ids = (*template.encode("hello \n"), end)
    transcript.act(Completion(ids, (0.0,) * len(ids), "stop"))
    transcript.observe([Message("user", "more")])
    assert template.decode(transcript.prompt_ids) == (
        "<|user|>hi<|end|><|assistant|>hello \n<|end|><|user|>more<|end|><|assistant|>"
    )


def test_template_that_refuses_a_role_is_named_and_ends_the_rollout(tiny: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = STRICT
    policy = TransformersPolicy(str(tiny), tokenizer)
    told = r"refuses a conversation of user, assistant, tool \(roles must alternate\)"
    with pytest.raises(ChatTemplateError, match=told):
        ag.rollout(policy, "demo/Parity-v0", 2, sampling=SamplingParams(4))
