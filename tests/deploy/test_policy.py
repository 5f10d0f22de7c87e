"""Each check that `make policy` skips has its reason on the same line."""

import re

from tests.deploy.manifests import ROOT


def test_every_skipped_check_states_its_reason_on_its_line() -> None:
    text = (ROOT / "k8s" / "checkov.yaml").read_text()

    skips = re.findall(r"^  - (CKV\w+)(.*)$", text.split("skip-check:")[1], re.MULTILINE)

    assert skips
    assert all(re.fullmatch(r"  # .+\.", reason) for _, reason in skips)
