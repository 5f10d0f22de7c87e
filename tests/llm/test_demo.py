"""The demo: a scripted model replaces a missing one, says so, and only if requested."""

from config.settings import Settings
from service.domain.chat.completion import ModelSettings
from service.domain.models import NewMessage, Role
from service.llm.configured import model_for

PROMPT = [NewMessage(role=Role.USER, content="Hello there")]


async def test_a_demo_says_in_its_replies_that_there_is_no_model() -> None:
    async with model_for(Settings(_env_file=None), demo=True) as model:
        assert model is not None
        answer = await model.complete(PROMPT, ModelSettings())

    assert "demo without a model" in str(answer.message.content)
    assert "SESSIONS_LLM_BASE_URL" in str(answer.message.content)
    assert "Hello there" in str(answer.message.content)


async def test_a_demo_streams() -> None:
    async with model_for(Settings(_env_file=None), demo=True) as model:
        assert model is not None
        pieces = [piece async for piece in model.stream(PROMPT, ModelSettings())]

    assert len(pieces) > 10


async def test_without_a_demo_there_is_no_model_unless_one_is_configured() -> None:
    async with model_for(Settings(_env_file=None), demo=False) as model:
        assert model is None


async def test_a_configured_model_is_used_in_a_demo_too() -> None:
    settings = Settings(_env_file=None, llm_base_url="http://127.0.0.1:9/v1", llm_model="large")

    async with (
        model_for(settings, demo=True) as in_demo,
        model_for(settings, demo=False) as otherwise,
    ):
        assert in_demo is not None
        assert otherwise is not None
        assert in_demo.name == otherwise.name == "large"
