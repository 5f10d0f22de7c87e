"""Every setting of the service, read once from the environment (prefix `SESSIONS_`).

`docs/settings.md` and `.env.example` are made from this file by `make settings`.
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.secret_files import with_secrets_from_files
from config.variables import PREFIX, refuse_service_url, refuse_unknown

HMAC_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
MIN_HMAC_SECRET_BYTES = 32
# How long an append may continue from a head that its process knows, without reading it again.
HEADS_KNOWN_FOR_S = 30
# An append has its own deadline before that of its request: it knows better what was done.
REQUEST_BEHIND_APPEND_S = 0.5
DATABASE_NAME = r"^[A-Za-z0-9_-]{1,63}$"
_ORIGIN = re.compile(r"https?://[^/\s*?#@]+")
Port = Annotated[int, BeforeValidator(refuse_service_url), Field(ge=0, le=65535)]
RequestsPerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: Port = Field(8000, description="Port the service listens on; 0 takes a free one.")
    metrics_port: Annotated[int, BeforeValidator(refuse_service_url)] | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of `/metrics`, which then is on no other. Unset: the service's port.",
    )
    traces_url: str | None = Field(
        None,
        pattern="^https?://",
        description="Where to send traces: an OpenTelemetry collector, up to its `/v1/traces`. "
        "Needs the extra `tracing`. Unset: no traces.",
    )
    drain_s: float = Field(
        1,
        ge=0,
        le=60,
        description="How long requests are still accepted after the signal to stop, because "
        "load balancers learn of it late. Each response then closes its connection.",
    )
    shutdown_timeout_s: int = Field(
        20, ge=1, le=600, description="How long in-flight requests get to finish after the drain."
    )
    max_body_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=12 * 1024 * 1024,
        description="Largest request body; larger ones get 413. MongoDB keeps what one request "
        "appends as one document, of at most 16 MB.",
    )
    max_header_bytes: int = Field(
        64 * 1024, ge=1024, description="Largest size of all headers of a request; more get 431."
    )
    max_header_lines: int = Field(
        100, ge=10, description="Most header lines of a request; more get 431."
    )
    header_timeout_s: float = Field(
        10, gt=0, le=600, description="How long the headers of a request may take to arrive."
    )
    body_timeout_s: float = Field(
        30, gt=0, le=600, description="How long the body of a request may take to arrive."
    )
    send_timeout_s: float = Field(
        30,
        gt=0,
        le=600,
        description="How long a client may read nothing of its response.",
    )
    max_connections: int = Field(
        5000, ge=1, description="Most open connections of one process; more get 503."
    )
    max_requests_in_flight: int = Field(
        1000, ge=1, description="Most requests that one process serves at a time; more get 503."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins (comma-separated) whose pages may call the service from a browser.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least level that is logged; info logs every request."
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Networks (CIDR, comma-separated) whose X-Forwarded-For is believed.",
    )
    requests_per_minute: Annotated[dict[str, RequestsPerMinute], NoDecode] = Field(
        {},
        description="Requests a minute that a dialect accepts from one IP address, and with one "
        "token: `native=600,keyed=60`. A dialect that is not named has its default: 60 for "
        "`keyed`, any number for the others.",
    )
    rate_limit_store: Literal["memory", "mongodb"] = Field(
        "memory",
        description="Where requests are counted: by each process for itself, so that N processes "
        "take up to N times as many; or for all of them together, in MongoDB.",
    )

    window_cache_bytes: int = Field(
        32 * 1024 * 1024, ge=0, description="Memory for encoded windows of histories; 0 for none."
    )

    mongo_url: SecretStr | None = Field(
        None, description="MongoDB to use. Unset: an embedded one, for development and tests."
    )
    mongo_url_file: Path | None = Field(
        None, description="File that holds `SESSIONS_MONGO_URL`, instead of it."
    )
    mongo_database: str | None = Field(
        None,
        pattern=DATABASE_NAME,
        description="Name of the database. Unset: the one in the path of `SESSIONS_MONGO_URL`, "
        "else `sessions`.",
    )
    mongo_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="Async driver: Motor, or PyMongo's own."
    )
    mongo_timeout_s: float = Field(
        5,
        gt=0,
        le=60,
        description="Deadline of one database operation, retries included. "
        "A request has four times as long.",
    )
    mongo_max_pool: int = Field(
        50, ge=1, le=1000, description="Most connections to one MongoDB server."
    )
    data_dir: Path = Field(
        Path(".data"), description="Folder of the embedded MongoDB and the development secret."
    )
    sweep_interval_s: float = Field(
        30, gt=0, description="Pause between two sweeps that finish interrupted deletes."
    )
    delete_grace_s: float = Field(
        60, gt=0, description="Age at which a sweep removes the last trace of a deleted session."
    )

    jwt_secret: SecretStr | None = Field(
        None, description="Shared secret of HS256/384/512 tokens, 32 bytes or more."
    )
    jwt_secret_file: Path | None = Field(
        None, description="File that holds `SESSIONS_JWT_SECRET`, instead of it."
    )
    jwt_secret_previous: SecretStr | None = Field(
        None,
        description="Secret that tokens may still be signed with while `SESSIONS_JWT_SECRET` "
        "replaces it.",
    )
    jwt_secret_previous_file: Path | None = Field(
        None, description="File that holds `SESSIONS_JWT_SECRET_PREVIOUS`, instead of it."
    )
    jwt_public_key_file: Path | None = Field(
        None, description="PEM file with the public key of RS*, PS* or ES* tokens."
    )
    jwt_public_key_previous_file: Path | None = Field(
        None,
        description="PEM file with the key that tokens may still be signed with while "
        "`SESSIONS_JWT_PUBLIC_KEY_FILE` replaces it.",
    )
    jwks_url: str | None = Field(
        None, description="URL of the issuer's key set; https, or http on loopback."
    )
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Accepted algorithms, comma-separated. Unset: HS256 or RS256, by the key."
    )
    jwt_issuer: str | None = Field(None, description="Required `iss` of every token.")
    jwt_audience: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Audiences, comma-separated: every token must have one of them in its `aud`. "
        "Unset: tokens with an `aud` are refused.",
    )
    jwt_user_claim: str = Field("sub", description="Claim that names the user.")
    jwt_scope_claim: str | None = Field(
        None,
        description="Claim with scopes in addition to `scope`, `scopes`, `scp`, `permissions` and "
        "`roles`; a path with dots, like `realm_access.roles`.",
    )
    jwt_leeway_s: int = Field(
        10, ge=0, le=120, description="Tolerated difference between the issuer's clock and ours."
    )

    llm_base_url: str | None = Field(
        None,
        pattern="^https?://",
        description="OpenAI-compatible API of the chat model, up to its `/v1`. Unset: no chat.",
    )
    llm_api_key: SecretStr | None = Field(None, description="Key of that API.")
    llm_api_key_file: Path | None = Field(
        None, description="File that holds `SESSIONS_LLM_API_KEY`, instead of it."
    )
    llm_model: str | None = Field(None, description="Model to use where a chat names none.")
    llm_timeout_s: float = Field(
        60, gt=0, le=600, description="Deadline of one model call, retries and stream included."
    )
    llm_max_retries: int = Field(
        2, ge=0, le=10, description="Most retries of a model call that failed without a response."
    )
    llm_max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens",
        description="Name under which that API takes the most tokens of a response: newer OpenAI "
        "models want `max_completion_tokens`.",
    )
    text_search: bool = Field(
        default=False,
        description="Keep a full-text index so that chats can recall earlier messages. "
        "Makes appends more expensive.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  Pydantic's name.
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        for source in (env_settings, dotenv_settings):
            if isinstance(source, EnvSettingsSource | DotEnvSettingsSource):
                refuse_unknown(source.env_vars, list(settings_cls.model_fields))
        return init_settings, env_settings, dotenv_settings

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        secrets = (name for name in cls.model_fields if f"{name}_file" in cls.model_fields)
        return with_secrets_from_files(values, secrets)

    @field_validator(
        "jwt_algorithms", "jwt_audience", "trusted_proxies", "cors_origins", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("requests_per_minute", mode="before")
    @classmethod
    def _by_dialect(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.replace(",", " ").split()]
        if not all(name and number.isdecimal() for name, _, number in pairs):
            raise ValueError("Write a number for each dialect, like native=600,keyed=60.")
        return {name: int(number) for name, _, number in pairs}

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("List origins like https://app.example.com, and not *.")
        return value

    @model_validator(mode="after")
    def _one_key_source(self) -> Self:
        sources = (self.jwt_secret, self.jwt_public_key_file, self.jwks_url)
        if sum(source is not None for source in sources) > 1:
            raise ValueError(
                "Set only one of SESSIONS_JWT_SECRET, SESSIONS_JWT_PUBLIC_KEY_FILE and "
                "SESSIONS_JWKS_URL: tokens are checked against one kind of key."
            )
        return self

    @model_validator(mode="after")
    def _previous_key_with_its_successor(self) -> Self:
        pairs = (
            ("SESSIONS_JWT_SECRET", self.jwt_secret, "_PREVIOUS", self.jwt_secret_previous),
            (
                "SESSIONS_JWT_PUBLIC_KEY",
                self.jwt_public_key_file,
                "_PREVIOUS_FILE",
                self.jwt_public_key_previous_file,
            ),
        )
        for name, current, suffix, previous in pairs:
            if previous is not None and current is None:
                raise ValueError(
                    f"{name}{suffix} is the key that another one replaces: set {name} to the new "
                    "one, or set only that if there is no other."
                )
        return self

    @model_validator(mode="after")
    def _model_with_its_url(self) -> Self:
        if (self.llm_base_url is None) != (self.llm_model is None):
            raise ValueError("Set both SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL, or neither.")
        return self

    @model_validator(mode="after")
    def _deletes_outlast_appends(self) -> Self:
        longest_append_s = HEADS_KNOWN_FOR_S + self.append_deadline_s + self.mongo_timeout_s
        if self.delete_grace_s < longest_append_s:
            raise ValueError(
                f"SESSIONS_DELETE_GRACE_S must be at least {longest_append_s:g}, for a "
                f"SESSIONS_MONGO_TIMEOUT_S of {self.mongo_timeout_s:g}: what a delete or a clear "
                "leaves must outlast appends under way."
            )
        return self

    @property
    def append_deadline_s(self) -> float:
        """Return how long an append may take: a few database operations, when writers race."""
        return 4 * self.mongo_timeout_s

    @property
    def request_deadline_s(self) -> float:
        """Return how long a request may take; an append that begins immediately ends earlier."""
        return self.append_deadline_s + REQUEST_BEHIND_APPEND_S


def share_metrics_in(folder: Path) -> None:
    """Make the processes that are started from now on keep their metrics in this folder."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def give_motor_workers(count: int) -> None:
    """Set the size of Motor's thread pool; otherwise it takes five threads for each CPU."""
    os.environ["MOTOR_MAX_WORKERS"] = str(count)
