"""A user's profile as one line of JSON, `{"profile": {"user_id": …}}`, between conversations."""

import re

from pydantic import BaseModel, ConfigDict, ValidationError

from service.domain.models import JsonObject, User
from service.domain.rules import check_profile
from service.domain.transfer.lines import Time, json_text, malformed, time_text

_BEGINNING = re.compile(rb'\s*\{\s*"profile"\s*:')


class Profile(BaseModel):
    model_config = ConfigDict(frozen=True)

    user_id: str
    metadata: JsonObject | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class ProfileLine(BaseModel):
    model_config = ConfigDict(frozen=True)

    profile: Profile


def is_profile(text: bytes) -> bool:
    """Say whether a line is a profile: no conversation begins so."""
    return _BEGINNING.match(text) is not None


def read_profile(text: bytes) -> User:
    """Return the profile of a line.

    Raises:
        InvalidInput, TooLarge: the line is malformed, or breaks a rule.
    """
    try:
        profile = ProfileLine.model_validate_json(text).profile
    except ValidationError as error:
        raise malformed(error, "profile", text) from None
    check_profile(profile.user_id, profile.metadata)
    times = {"created_at": profile.created_at, "updated_at": profile.updated_at}
    given = {name: time for name, time in times.items() if time is not None}
    return User(id=profile.user_id, metadata=profile.metadata, **given)


def profile_text(user: User) -> str:
    """Return the line of a profile, which restores it as it is."""
    profile = {
        "user_id": user.id,
        "metadata": user.metadata,
        "created_at": time_text(user.created_at),
        "updated_at": time_text(user.updated_at),
    }
    return json_text({"profile": profile}) + "\n"
