"""Messages in the shapes that providers and frontends document, each with a made-up content.

They are written after the public type definitions; none of them is anybody's conversation.

- OpenAI, Chat Completions:
  https://platform.openai.com/docs/api-reference/chat/create
- OpenAI, Responses, items that are messages:
  https://platform.openai.com/docs/api-reference/responses
- Anthropic:
  https://docs.anthropic.com/en/api/messages
- Gemini, its role 'model' as assistant:
  https://ai.google.dev/api/caching#Content
- DeepSeek:
  https://api-docs.deepseek.com/api/create-chat-completion
- Vercel AI SDK, UIMessage and ModelMessage:
  https://ai-sdk.dev/docs/reference/ai-sdk-core
- LangChain, as OpenAI's messages with what is left over:
  https://docs.langchain.com
"""

import json
from pathlib import Path
from typing import Any

LINES = Path(__file__).with_suffix(".jsonl").read_text().splitlines()
MESSAGE_SHAPES: list[dict[str, Any]] = [json.loads(line)["message"] for line in LINES]
