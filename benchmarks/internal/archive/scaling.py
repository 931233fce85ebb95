"""Computes where ``alledge archive`` stops scaling: ``python -m …archive.scaling``.

A calculation, not a measurement. Each limit is a rate in fields a second; the smallest one counts.
The assumptions are the columns of `Cluster`; those of the driver are to be measured with
``python -m …archive.driver``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

NODES = (1, 2, 4, 8, 16, 32, 64)
ARCHIVES = (1_000_000, 100_000_000)


@dataclass(frozen=True)
class Cluster:
    """The assumptions of the calculation.

    Parameters
    ----------
    nodes : int
    fields_s : float
        Fields a second that one node classifies.
    field_mib : float
        Size of a field's file.
    node_mib_s : float
        What the network of one node reads.
    store_mib_s : float
        What the store or the share delivers to all nodes together.
    store_requests_s : float
        Requests that the store answers to all nodes together.
    driver_fields_s : float
        Fields that the driver lists, sends and writes.
    row_kib : float
        Of a field in a part.
    part_rows : int
    """

    nodes: int = 1
    fields_s: float = 60.0
    field_mib: float = 1.5
    node_mib_s: float = 110.0
    store_mib_s: float = 1100.0
    store_requests_s: float = 5500.0
    driver_fields_s: float = 4000.0
    row_kib: float = 1.0
    part_rows: int = 4096

    def limits(self) -> dict[str, float]:
        """Return what each part of the cluster allows, in fields a second."""
        return {
            "workers": self.nodes * self.fields_s,
            "network of the nodes": self.nodes * self.node_mib_s / self.field_mib,
            "bandwidth of the store": self.store_mib_s / self.field_mib,
            "requests of the store": self.store_requests_s,
            "driver": self.driver_fields_s,
        }

    def bottleneck(self) -> tuple[str, float]:
        """Return the smallest limit, and its fields a second."""
        limits = self.limits()
        name = min(limits, key=limits.__getitem__)
        return name, limits[name]

    def parts(self, fields: int) -> int:
        """Return the number of parts of an archive."""
        return -(-fields // self.part_rows)


def duration(seconds: float) -> str:
    """Return a duration in hours or days."""
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def table(cluster: Cluster) -> str:
    """Return the calculation as Markdown."""
    lines = [
        "| nodes | fields a second | limit | of linear | " + " | ".join(f"{n:,}" for n in ARCHIVES),
        "|---:|---:|---|---:|" + "---:|" * len(ARCHIVES),
    ]
    lines[0] += " |"
    for nodes in NODES:
        row = replace(cluster, nodes=nodes)
        name, rate = row.bottleneck()
        times = " | ".join(duration(fields / rate) for fields in ARCHIVES)
        share = rate / (nodes * cluster.fields_s)
        lines.append(f"| {nodes} | {rate:.0f} | {name} | {share:.0%} | {times} |")
    return "\n".join(lines)


@click.command()
@click.option("--fields-s", type=float, default=Cluster.fields_s, show_default=True)
@click.option("--field-mib", type=float, default=Cluster.field_mib, show_default=True)
@click.option("--node-mib-s", type=float, default=Cluster.node_mib_s, show_default=True)
@click.option("--store-mib-s", type=float, default=Cluster.store_mib_s, show_default=True)
@click.option("--driver-fields-s", type=float, default=Cluster.driver_fields_s, show_default=True)
def main(**assumptions: float) -> None:
    """Print the table of nodes, and the parts of each archive."""
    cluster = Cluster(**assumptions)  # type: ignore[arg-type]
    click.echo(table(cluster))
    for fields in ARCHIVES:
        size_gib = fields * cluster.row_kib / (1 << 20)
        click.echo(
            f"{fields:,} fields: {cluster.parts(fields):,} parts of {cluster.part_rows} rows, "
            f"{size_gib:.0f} GiB, keys in memory {fields * 16 / (1 << 20):,.0f} MiB"
        )


if __name__ == "__main__":
    main()
