"""Conversations for import: long ones, and one that has everything."""

from tests.cli.commands import Line

EVERYTHING: Line = {
    "session_id": "7b6c0a52-93bb-4a0e-a4a5-0d3b1d9f5a11",
    "user_id": "alice",
    "agent_id": "agent",
    "key": "trip/2026",
    "title": "Zürich 🙂",
    "metadata": {"n": 1, "x": 1.5, "deep": {"a": [None, True, "\u2028"]}},
    "max_context_results": 7,
    "situation": "You are {{ agent_id }}.",
    "render_templates": True,
    "token_budget": 4000,
    "context_overflow": "adaptive",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "is_test": True,
    "created_at": "2024-02-29T23:59:59.999Z",
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "日本"}],
            "name": "Ann",
            "metadata": {},
            "extra": {"timestamp": 1.5, "tool_calls": None, "usage": {"tokens": 1}},
            "client_key": "mine",
            "id": "0b0b8b1e-55ad-4f0c-9d6e-0f8f6a6a2a01",
            "created_at": "2024-03-01T00:00:00.001Z",
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3},
            "id": "0b0b8b1e-55ad-4f0c-9d6e-0f8f6a6a2a02",
            "created_at": "2024-03-01T00:00:00.001Z",
        },
        {
            "role": "tool",
            "content": "a\nb",
            "tool_call_id": "c1",
            "id": "0b0b8b1e-55ad-4f0c-9d6e-0f8f6a6a2a03",
            "created_at": "2023-01-01T00:00:00.000Z",
        },
    ],
}


def generated(dialogue_id: str, messages: int) -> Line:
    roles = ("user", "assistant")
    return {
        "dialogue_id": dialogue_id,
        "services": ["service"],
        "messages": [
            {"role": roles[n % 2], "content": f"Nr. {n}: für 人"} for n in range(messages)
        ],
    }
