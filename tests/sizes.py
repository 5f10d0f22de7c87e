"""How large a test is: `make nightly` sets NIGHTLY, and some tests are larger then.

docs/testing.md lists them.
"""

import os
from typing import TypeVar

Size = TypeVar("Size")


def sized(usual: Size, nightly: Size) -> Size:
    return nightly if os.environ.get("NIGHTLY") else usual
