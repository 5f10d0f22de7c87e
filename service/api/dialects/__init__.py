"""The only list of the dialects. Each is a folder with a `DIALECT`."""

from service.api.dialects import julep, keyed, native, pyspur

ALL = (native.DIALECT, pyspur.DIALECT, keyed.DIALECT, julep.DIALECT)
