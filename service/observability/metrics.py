"""Every metric of the service.

A label takes few values, known in advance: never a session, a user or a raw path.
Processes of one service add up their metrics, through files in a shared folder.
"""

from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

# The creation time of each series doubles the size of a scrape, and nothing here needs it.
disable_created_metrics()  # type: ignore[no-untyped-call]

HTTP_REQUESTS = Counter(
    "sessions_http_requests_total",
    "Requests by the template of their path.",
    ["method", "route", "dialect", "status"],
)
HTTP_DURATION_S = Histogram(
    "sessions_http_request_duration_seconds",
    "Time from a request to the end of its response.",
    ["method", "route", "dialect"],
    buckets=LATENCIES_S,
)
HTTP_REFUSED = Counter(
    "sessions_http_refused_total",
    "Connections refused before a request was complete: too many, malformed, too large, too slow.",
    ["status"],
)
STREAMS_OPEN = Gauge(
    "sessions_streams_open", "Event streams under way.", multiprocess_mode="livesum"
)
APPEND_BATCH_SIZE = Histogram(
    "sessions_append_batch_size", "Messages committed together.", buckets=BATCH_SIZES
)
APPEND_QUEUE_DEPTH = Gauge(
    "sessions_append_queue_depth", "Appends in no batch yet.", multiprocess_mode="livesum"
)
APPEND_QUEUE_WAIT_S = Histogram(
    "sessions_append_queue_wait_seconds",
    "Time an append waited for its batch.",
    buckets=LATENCIES_S,
)
APPEND_COMMIT_S = Histogram(
    "sessions_append_commit_seconds", "Time a batch took.", buckets=LATENCIES_S
)
HEADS_BEHIND = Gauge(
    "sessions_heads_behind",
    "Sessions whose last appends lists of other processes do not show yet.",
    multiprocess_mode="livesum",
)
HEAD_LAG_S = Histogram(
    "sessions_head_lag_seconds",
    "Time from an append to the lists of other processes that show it, the longest of each batch.",
    buckets=LATENCIES_S,
)
MONGO_CONNECTIONS = Gauge(
    "sessions_mongo_pool_connections",
    "Connections to MongoDB.",
    ["state"],
    multiprocess_mode="livesum",
)
MONGO_POOL_LIMIT = Gauge(
    "sessions_mongo_pool_limit",
    "Most connections to one MongoDB server.",
    multiprocess_mode="livesum",
)
MONGO_COMMAND_S = Histogram(
    "sessions_mongo_command_duration_seconds",
    "Time a command took MongoDB and the network.",
    ["command"],
    buckets=LATENCIES_S,
)
CACHE_HITS = Counter("sessions_cache_hits_total", "Windows shown from memory.")
CACHE_MISSES = Counter("sessions_cache_misses_total", "Windows read and encoded.")
CACHE_BYTES = Gauge(
    "sessions_cache_bytes", "Memory for encoded windows.", multiprocess_mode="livesum"
)
MODEL_CALLS = Counter(
    "sessions_model_calls_total", "Calls of the chat model by how they ended.", ["outcome"]
)
MODEL_TOKENS = Counter(
    "sessions_model_tokens_total", "Tokens the model says it has counted.", ["kind"]
)
KEY_SET_FETCHES = Counter(
    "sessions_key_set_fetches_total", "Fetches of the issuer's key set.", ["outcome"]
)
SWEPT = Counter("sessions_swept_total", "Deletes and clears that a sweep has finished.")
LAST_SWEEP_S = Gauge(
    "sessions_last_sweep_timestamp_seconds",
    "When a sweep last left nothing to finish.",
    multiprocess_mode="livemax",
)
TASKS = Gauge(
    "sessions_tasks",
    "Running asyncio tasks; steady growth indicates a leak.",
    multiprocess_mode="livesum",
)
READY = Gauge(
    "sessions_ready",
    "1 if all processes are ready for requests, else 0.",
    multiprocess_mode="livemin",
)


def registry(shared_folder: Path | None) -> CollectorRegistry:
    """Return the metrics of this process, or those of all that share the folder."""
    if shared_folder is None:
        return REGISTRY
    of_all = CollectorRegistry()
    MultiProcessCollector(of_all, path=str(shared_folder))  # type: ignore[no-untyped-call]
    return of_all


def forget_process(shared_folder: Path, pid: int) -> None:
    """Remove the current values of an ended process; what it counted stays."""
    mark_process_dead(pid, str(shared_folder))  # type: ignore[no-untyped-call]


def exposition(shared_folder: Path | None) -> bytes:
    """Return the metrics as Prometheus reads them."""
    return generate_latest(registry(shared_folder))
