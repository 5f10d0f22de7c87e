"""What `make policy` leaves out, it leaves out for a reason that stands beside it."""

import re

from tests.deploy.manifests import ROOT


def test_every_skipped_check_states_its_reason_on_its_line() -> None:
    text = (ROOT / "k8s" / "checkov.yaml").read_text()

    skips = re.findall(r"^  - (CKV\w+)(.*)$", text.split("skip-check:")[1], re.MULTILINE)

    assert skips
    assert all(re.fullmatch(r"  # .+\.", reason) for _, reason in skips)
