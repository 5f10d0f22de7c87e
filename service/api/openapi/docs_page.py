"""The page at `/docs`: the OpenAPI document to read. No scripts, and nothing from elsewhere."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-size:.9em}pre{overflow:auto}summary{cursor:pointer}"
)
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {"Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'"}


def page(document: dict[str, Any]) -> str:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    operations = (
        (path, method, operation)
        for path, by_method in document["paths"].items()
        for method, operation in by_method.items()
    )
    sections = (_details(f"{m.upper()} {path}", o["summary"], o) for path, m, o in operations)
    schemas = (
        _details(name, "", schema) for name, schema in document["components"]["schemas"].items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<style>{STYLE}</style><h1>{title}</h1><p><a href="openapi.json">openapi.json</a></p>'
        f"{''.join(sections)}<h2>Schemas</h2>{''.join(schemas)}</html>"
    )


def _details(name: str, summary: str, content: dict[str, Any]) -> str:
    shown = escape(json.dumps(content, indent=2, ensure_ascii=False))
    heading = f"<code>{escape(name)}</code> {escape(summary)}"
    return f"<details><summary>{heading}</summary><pre>{shown}</pre></details>"
