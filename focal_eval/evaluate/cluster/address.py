"""The address of a cluster: `dask://host:port`, `tcp://host:port`, `tls://host:port` or `ray://host:port`."""

from __future__ import annotations

import re

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean
from focal_eval.value import value

_PORTS = {"dask": 8786, "tcp": 8786, "tls": 8786, "ray": 10001}
"""The schemes, and the port of each where none is given: where `dask scheduler` and Ray's client server listen."""
_ADDRESS = re.compile(r"(?P<scheme>[^:/]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/\[\]@]+)(?::(?P<port>[0-9]{1,5}))?/?")


@value
class Address:
    """Where a cluster listens."""

    library: str  # "dask" or "ray"
    url: str  # as that library takes it


def address_of(text: str) -> Address:
    """The address that `--cluster` names. Raises UsageError with the nearest scheme where it is none."""
    found = _ADDRESS.fullmatch(text)
    scheme = found["scheme"] if found else text.partition("://")[0]
    if "://" in text and scheme not in _PORTS:
        raise UsageError(f"--cluster: '{scheme}' is no scheme of a cluster; {did_you_mean(scheme, _PORTS)}")
    if found is None:
        raise UsageError(f"--cluster: '{text}' is no address; write dask://host:8786 or ray://host:10001")
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise UsageError(f"--cluster: {port} is no port")
    where = f"{found['host']}:{port}"
    if scheme == "ray":
        return Address("ray", f"ray://{where}")
    return Address("dask", f"tls://{where}" if scheme == "tls" else f"tcp://{where}")
