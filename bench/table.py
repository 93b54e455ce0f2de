"""Write the rows as Markdown."""

from typing import Any


def figure(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(rows: list[dict[str, Any]]) -> str:
    """One line per case."""
    lines = [
        "| case | ours | fastest peer | its figure | unit | ratio | spread | peak MiB, ours | peak MiB, peer | note |",
        "|---|--:|---|--:|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        cells = [
            row["case"], figure(row["ours"]), row["peer_name"], figure(row["peer"]), row["unit"],
            f"{row['ratio']:.2f}", f"{100 * row['spread']:.0f}%", figure(row["peak_rss_ours_mib"]),
            figure(row["peak_rss_peer_mib"]), row["note"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
