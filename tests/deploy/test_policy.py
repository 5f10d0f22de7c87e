"""Each check that `make policy` skips has its reason on the same line."""

import re

from tests.deploy.manifests import ROOT
from tests.every import every


def test_every_skipped_check_states_its_reason_on_its_line() -> None:
    text = (ROOT / "k8s" / "checkov.yaml").read_text()

    skips = re.findall(r"^  - (CKV\w+)(.*)$", text.split("skip-check:")[1], re.MULTILINE)

    assert skips
    assert every(re.fullmatch(r"  # .+\.", reason) for _, reason in skips)
