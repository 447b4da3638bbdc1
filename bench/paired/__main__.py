"""The paired benchmark: recorders in turn on the same work, in shuffled rounds, and how many calls a core takes.

script/bench paired builds what it needs and gives it a network of its own. Method and figures: docs/performance.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

import machine
import report
from measure import RECORDERS, measure
from recorders import PARTIES

# Name: (recorder, its figure) over (recorder, its figure); "both" is the mean of our two runs. With "_core" behind the
# name it is all that the recorder's core did, receiving in the kernel included.
RATIOS = {
    "ours_over_limit": (("both", "ns"), ("limit", "ns")),
    "ours_with_wav_over_limit": (("both", "ns_finished"), ("limit", "ns")),
    "rtpengine_over_ours": (("rtpengine", "ns"), ("both", "ns")),
    "rtpengine_over_ours_ring": (("rtpengine", "ns"), ("ours_ring", "ns")),
    "ours_ring_over_limit": (("ours_ring", "ns"), ("limit", "ns")),
    "rtpengine_relay_over_ours": (("rtpengine_relay", "ns"), ("both", "ns")),
    "tcpdump_over_ours": (("tcpdump", "ns"), ("both", "ns")),
    "ours_again_over_ours": (("ours_again", "ns"), ("ours", "ns")),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def can_start(name, scratch):
    """tcpdump and the packet ring want CAP_NET_RAW, which not every container has."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    recorder = RECORDERS[name](directory)
    try:
        recorder.start(1)
        return True
    except (OSError, RuntimeError) as error:
        say(f"{name} is left out: {error}")
        return False
    finally:
        recorder.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run_one(name, calls, seconds, scratch):
    run = measure(name, calls, seconds, scratch)
    say(f"  {name:16} {run['ns']:6.0f} ns a packet, finished {run['ns_finished']:6.0f}, core {run['core_ns']:6.0f}"
        f"{'; ' + ', '.join(run['faults']) if run['faults'] else ''}")
    return run


def run_rounds(names, rounds, calls, seconds, scratch):
    order = random.Random(1)
    runs = []
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}: {calls} calls for {seconds} s each")
        for name in order.sample(names, len(names)):
            runs.append(run_one(name, calls, seconds, scratch) | {"round": number})
    return runs


def spread_of(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def compare(runs):
    """Ratios within each round, then over the rounds."""
    ratios = {}
    for number in sorted({run["round"] for run in runs}):
        of = {run["recorder"]: run for run in runs if run["round"] == number}
        keys = [prefix + key for prefix in ("", "core_") for key in ("ns", "ns_finished")]
        of["both"] = {key: (of["ours"][key] + of["ours_again"][key]) / 2 for key in keys}
        for suffix, prefix in (("", ""), ("_core", "core_")):
            for name, ((upper, upper_key), (lower, lower_key)) in RATIOS.items():
                if upper in of and lower in of:
                    ratio = of[upper][prefix + upper_key] / of[lower][prefix + lower_key]
                    ratios.setdefault(name + suffix, []).append(ratio)
    return {name: spread_of(values) for name, values in ratios.items()}


def medians_of(runs):
    def of(name):
        mine = [run for run in runs if run["recorder"] == name]
        figures = {key: spread_of([run[key] for run in mine])
                   for key in ("ns", "ns_finished", "core_ns", "core_ns_finished", "finishing_ms_per_call_minute",
                               "disk_bytes")}
        for key in ("mean", "peak"):
            figures[f"memory_{key}_bytes"] = spread_of([run["memory"][key] for run in mine])
        return figures | {"lost": sum(run["lost"] for run in mine), "packets": sum(run["packets"] for run in mine)}
    return {name: of(name) for name in RECORDERS if any(run["recorder"] == name for run in runs)}


def climb(name, rungs, scratch):
    """Ever more calls of ours on one core, until a rung loses a packet or does not keep up."""
    runs = []
    for calls, seconds in rungs:
        say(f"{calls} calls on one core for {seconds} s")
        try:
            runs.append(run_one(name, calls, seconds, scratch))
        except RuntimeError as error:  # calls were refused, for one
            say(f"  not possible: {error}")
            break
        if runs[-1]["faults"]:
            break
    return runs


def good_rungs(rungs, name):
    return [run for run in rungs if run["recorder"] == name and not run["faults"]]


def most_calls(rungs, name):
    return max((run["calls"] for run in good_rungs(rungs, name)), default=None)


def stream_memory(rungs):
    """What each further stream takes: between the lowest and the highest rung, so that what all share is not in it."""
    if len(rungs) < 2:
        return None
    low, high = rungs[0], rungs[-1]
    streams = PARTIES * (high["calls"] - low["calls"])
    return {key: (high["memory"][key] - low["memory"][key]) / streams for key in ("mean", "peak")}


def rungs_of(quick):
    if quick:
        return [(500, 5)]
    # A stream takes two descriptors of the recorder, a call four; some are for other things.
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // 4
    return [(calls, 15 if calls < 1500 else 60) for calls in range(500, most + 1, 500)]


def read_options():
    parser = argparse.ArgumentParser(prog="script/bench paired", description="The paired benchmark.")
    parser.add_argument("--quick", action="store_true",
                        help="a short round and 500 calls at the most, two minutes: rough figures")
    parser.add_argument("--json", metavar="FILE", help="keep all figures")
    parser.add_argument("--docs", action="store_true", help="write table and chart into docs/")
    parser.add_argument("--from-json", metavar="FILE", help="measure nothing: report what a run kept")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 5, 1 with --quick")
    parser.add_argument("--calls", type=int, metavar="K", help="of each run of a round: 500, 100 with --quick")
    parser.add_argument("--seconds", type=int, metavar="S", help="of media of each of these: 30, 5 with --quick")
    parser.add_argument("--no-climb", action="store_true", help="leave out calls_per_core")
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--docs wants the whole run: the figures of --quick are rough")
    defaults = (1, 100, 5) if options.quick else (5, 500, 30)
    for name, default in zip(("rounds", "calls", "seconds"), defaults):
        setattr(options, name, getattr(options, name) or default)
    return options


def run_all(options):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    about = machine.describe()
    os.sched_setaffinity(0, {machine.SENDER_CPU})
    steering_before = machine.steer_loopback(f"{1 << machine.RECORDER_CPU:x}")
    if steering_before is None:
        say("rps_cpus of lo may not be set here: the sender's core pays for receiving, those of the core say little")
    scratch = tempfile.mkdtemp(prefix="earshot-paired-")
    try:
        names = [name for name in RECORDERS if name in ("ours", "ours_again") or can_start(name, scratch)]
        runs = run_rounds(names, options.rounds, options.calls, options.seconds, scratch)
        climbers = [] if options.no_climb else [name for name in ("ours", "ours_ring") if name in names]
        rungs = [run for name in climbers for run in climb(name, rungs_of(options.quick), scratch)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if steering_before is not None:
            machine.steer_loopback(steering_before)
    ratios = compare(runs)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {
        "paired_date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "paired_commit": commit or "unknown", "paired_machine": about,
        "receives_on_recorders_core": steering_before is not None,
        "quick": options.quick, "rounds": options.rounds, "calls": options.calls, "seconds": options.seconds,
        **{name: ratio["median"] for name, ratio in ratios.items()},
        "calls_per_core": most_calls(rungs, "ours"), "calls_per_core_ring": most_calls(rungs, "ours_ring"),
        "stream_memory_bytes": stream_memory(good_rungs(rungs, "ours")),
        "spread": ratios, "medians": medians_of(runs), "rungs": rungs, "runs": runs,
    }


def main():
    options = read_options()
    if options.from_json:
        figures = json.loads(pathlib.Path(options.from_json).read_text())
    else:
        figures = run_all(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    print(report.as_text(figures))
    if options.docs:
        report.write_docs(figures)
    faulty = [run for run in figures["runs"] if run["faults"]]
    for run in faulty:
        say(f"not valid: {run['recorder']} in round {run['round']}: {', '.join(run['faults'])}")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
