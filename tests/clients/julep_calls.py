"""Runs in the environment of the real Julep client: one call per line in, one result per line out.

Arguments: the URL of the service, a token, and the kind of client, "sync" or "async".
"""

import asyncio
import json
import sys
from typing import Any

# Not installed in the environment that checks types.
import julep  # type: ignore[import-not-found]
from julep.api.core.api_error import ApiError  # type: ignore[import-not-found]


def plain(result: Any) -> Any:
    """Return what the client made of a response, as JSON values."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    return None if result is None else json.loads(result.json())


def main(url: str, token: str, kind: str) -> None:
    client = {"sync": julep.Client, "async": julep.AsyncClient}[kind](api_key=token, base_url=url)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            name, arguments = json.loads(line)
            try:
                result = getattr(client.sessions, name)(**arguments)
                if kind == "async":
                    result = runner.run(_awaited(result))
                answer = {"result": plain(result)}
            except ApiError as error:
                answer = {"status": error.status_code, "body": error.body}
            print(json.dumps(answer), flush=True)  # noqa: T201  Standard output is the way back.


async def _awaited(result: Any) -> Any:
    return await result


if __name__ == "__main__":
    main(*sys.argv[1:])
