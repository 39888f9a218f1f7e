"""Snakemake's own report of everything that the runs made, as one page that opens from disk."""

import json
import subprocess
import sys
from pathlib import Path

from unetflow import jobs

# Snakemake's page leaves some of its controls without a name, so that a screen reader can't tell what they do.
NAMES = """
const says = {eye: "show", "information-circle": "describe", home: "home", x: "close"};
const words = row => row ? [...row.cells].map(cell => cell.textContent.trim()).filter(Boolean).join(", ") : "";
const nameControls = () => {
  const shown = words(document.querySelector("td.bg-slate-700")?.closest("tr"));
  document.querySelectorAll("img").forEach(image => {
    const alt = image.closest("nav") ? "" : `Figure: ${shown}`;
    if (image.getAttribute("alt") !== alt) image.alt = alt;
  });
  document.querySelectorAll("input[title]:not([aria-label])").forEach(box => box.setAttribute("aria-label", box.title));
  document.querySelectorAll(":is(summary, a, button):not([aria-label])").forEach(control => {
    if (control.textContent.trim()) return;
    const name = says[control.getAttribute("iconname")] || "menu";
    control.setAttribute("aria-label", [name, words(control.closest("tr"))].filter(Boolean).join(" "));
  });
};
new MutationObserver(nameControls).observe(document.documentElement, {childList: true, subtree: true});
nameControls();
"""


def write_report(snakefile, config, targets, page):
    """Write ``page`` (HTML) on all that leads to ``targets``, by Snakemake, which knows how each file came about."""
    with jobs.made_whole(page) as path:
        configfile = path.with_name("config.json")
        configfile.write_text(json.dumps(config))
        command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", snakefile, "--nolock", "--quiet"]
        subprocess.run([*command, "--configfile", configfile, "--report", path], check=True)
        before, end, after = path.read_text().rpartition("</body>")
        path.write_text(f"{before}<script>{NAMES}</script>{end}{after}")


if __name__ == "__main__":
    with jobs.job(snakemake):
        write_report(
            snakefile=Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile",
            config=snakemake.config,
            targets=snakemake.input,
            page=snakemake.output.page,
        )
        jobs.log.info(f"Report: {snakemake.output.page}")
