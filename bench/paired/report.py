"""The figures as text, as a section of docs/performance.md and as a chart."""
import pathlib
import statistics

NAMES = {"limit": "limit", "ours": "Earshot", "ours_again": "Earshot again", "ours_ring": "Earshot by the ring",
         "rtpengine": "RTPEngine, recording only", "rtpengine_relay": "RTPEngine, relaying too",
         "tcpdump": "tcpdump -w"}
RATIO_GOALS = {"ours_over_limit": "<= 1.3", "ours_with_wav_over_limit": "<= 1.5", "rtpengine_over_ours": ">= 3",
               "rtpengine_over_ours_ring": ">= 6"}
DOCUMENT = pathlib.Path("docs/performance.md")
CHART = pathlib.Path("docs/paired.svg")
BEGIN, END = "<!-- paired: script/bench paired --docs writes from here -->", "<!-- paired: to here -->"


def recorder_rows(figures):
    yield ["recorder", "recording, ns a packet", "finished too", "core, recording", "core, finished too",
           "finishing, ms a call minute", "octets on disk", "memory grown to", "lost"]
    for name, of in figures["medians"].items():
        def ns(key):
            return f"{of[key]['median']:,.0f} ({of[key]['least']:,.0f} to {of[key]['most']:,.0f})"
        yield [NAMES[name], ns("ns"), f"{of['ns_finished']['median']:,.0f}", ns("core_ns"),
               f"{of['core_ns_finished']['median']:,.0f}",
               f"{of['finishing_ms_per_call_minute']['median']:.2f}", f"{of['disk_bytes']['median']:,.0f}",
               f"{of['memory_peak_bytes']['median'] / 1e6:.1f} MB", f"{of['lost']:,} of {of['packets']:,}"]


def ratio_rows(figures):
    yield ["ratio within a round", "goal", "CPU of the process: median (least to most)", "all that its core did"]

    def text(ratio):
        return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"
    for name, ratio in figures["spread"].items():
        if not name.endswith("_core"):
            yield [f"`{name}`", RATIO_GOALS.get(name, ""), text(ratio), text(figures["spread"][name + "_core"])]


def thread_rows(figures):
    """Where our own time goes, by sockets and by the ring, each in its run that is the median."""
    runs = [median_run(figures, names) for names in (("ours", "ours_again"), ("ours_ring",))]
    runs = [run for run in runs if run]
    yield ["thread", *(f"{NAMES[run['recorder']]}, {what}" for run in runs
                       for what in ("recording, ns a packet", "finished too"))]
    for name in sorted({name for run in runs for name in run["threads_ns_finished"]}):
        row = [run[key].get(name, 0) for run in runs for key in ("threads_ns", "threads_ns_finished")]
        if any(row):
            yield [name, *(f"{ns:,}" for ns in row)]


def median_run(figures, names):
    runs = sorted((run for run in figures["runs"] if run["recorder"] in names), key=lambda run: run["ns"])
    return runs[len(runs) // 2] if runs else None


def rung_rows(figures):
    yield ["calls on one core", "recorder", "media", "recording, ns a packet", "core busy", "memory grown to",
           "kernel drops", "lost"]
    for run in figures["rungs"]:
        yield [f"{run['calls']:,}", NAMES[run["recorder"]], f"{run['seconds']} s", f"{run['ns']:,.0f}",
               f"{run['core_share']:.0%}", f"{run['memory']['peak'] / 1e6:.1f} MB", f"{sum(run['drops'].values()):,}",
               f"{run['lost']:,} of {run['packets']:,}"]


def tables(figures):
    yield list(recorder_rows(figures))
    yield list(ratio_rows(figures))
    yield list(thread_rows(figures))
    if figures["rungs"]:
        yield list(rung_rows(figures))


def setting(figures):
    about, commit = figures["paired_machine"], figures["paired_commit"]
    payer = "recorder" if figures["receives_on_recorders_core"] else "sender"
    busy = statistics.median(run["busy_before"] for run in figures["runs"])
    rough = "Rough figures: --quick, one short round. " if figures.get("quick") else ""
    return (f"{rough}{figures['paired_date'][:10]}, commit {commit}, {about['cores']} cores ({about['cpu']}), "
            f"Linux {about['kernel']}; rounds: {figures['rounds']}, of {figures['calls']} calls for "
            f"{figures['seconds']} s; the kernel receives on the {payer}'s core. Load before: "
            f"{about['load_before'].split()[0]}; in the second before each run's media the recorder's core was "
            f"{busy:.0%} busy.")


def conclusion(figures):
    text = f"`calls_per_core`: {figures['calls_per_core'] or 0:,}"
    if figures.get("calls_per_core_ring"):
        text += f", by the ring {figures['calls_per_core_ring']:,}"
    text += "."
    memory = figures["stream_memory_bytes"]
    if memory:
        text += (f" Between the lowest and the highest rung each further stream took {memory['mean'] / 1000:.1f} kB"
                 f" in the mean, {memory['peak'] / 1000:.1f} kB at the peak.")
    return text


def as_text(figures):
    blocks = [setting(figures)]
    for table in tables(figures):
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)
        blocks.append("\n".join(lines))
    if figures["rungs"]:
        blocks.append(conclusion(figures))
    return "\n\n".join(blocks)


def as_markdown(figures):
    blocks = [setting(figures), f"![CPU time per packet of each recorder]({CHART.name})"]
    for header, *rows in tables(figures):
        lines = [header, ["---"] * len(header), *rows]
        blocks.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    if figures["rungs"]:
        blocks.append(conclusion(figures))
    return "\n\n".join(blocks)


def write_docs(figures):
    CHART.write_text(chart(figures))
    before, rest = DOCUMENT.read_text().split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{as_markdown(figures)}\n\n{END}{after}")


def chart(figures):
    """A bar for each recorder: CPU time while recording, then of finishing; a line from the least to the most."""
    left, width, row, top = 200, 480, 34, 56
    medians = figures["medians"]
    most = max(max(of["ns_finished"]["most"], of["ns"]["most"]) for of in medians.values())
    step = next(step for step in (500, 1000, 2000, 5000, 10_000, most) if most / step <= 8)
    scale = width / most
    bottom = top + row * len(medians)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 170} {bottom + 36}" '
             'font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="#fff"/>',
             '<text x="10" y="22" font-size="15" font-weight="bold">'
             'CPU time of a recorder per stored packet, ns</text>',
             '<rect x="10" y="32" width="12" height="12" fill="#2a6f97"/><text x="27" y="43">recording</text>',
             '<rect x="110" y="32" width="12" height="12" fill="#a9d6e5"/>'
             '<text x="127" y="43">finishing (WAV, manifest)</text>']
    for value in range(0, int(most) + 1, int(step)):
        x = left + value * scale
        parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{value:,}</text>')
    for index, (name, of) in enumerate(medians.items()):
        y = top + index * row + 7
        recording, finished = of["ns"]["median"], of["ns_finished"]["median"]
        middle, label = y + 10, f"{recording:,.0f}"
        if finished > 1.01 * recording:
            label += f", finished {finished:,.0f}"
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{NAMES[name]}</text>'
            f'<rect x="{left}" y="{y}" width="{finished * scale:.1f}" height="20" fill="#a9d6e5"/>'
            f'<rect x="{left}" y="{y}" width="{recording * scale:.1f}" height="20" fill="#2a6f97"/>'
            f'<line x1="{left + of["ns"]["least"] * scale:.1f}" y1="{middle}" '
            f'x2="{left + of["ns"]["most"] * scale:.1f}" y2="{middle}" stroke="#e07a5f" stroke-width="3"/>'
            f'<text x="{left + max(finished, of["ns"]["most"]) * scale + 6:.1f}" y="{y + 15}">{label}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"
