"""The PySpur dialect: its sessions and users. Resources of another user are not found."""

from service.api.dialects.pyspur.endpoints import pyspur
from service.api.dialects.pyspur.views import Failure, render
from service.api.kit.dialect import Dialect, detail_view

DIALECT = Dialect(
    name="pyspur",
    about="Sessions and users as PySpur has them.",
    mounts=("", "/api"),
    endpoints=pyspur.rows,
    render_error=render("query"),
    refusal=detail_view,
    failure=Failure,
    invalid_status=422,
)
