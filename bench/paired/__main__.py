"""The paired benchmark: recorders in turn on the same work, in shuffled rounds, and how many calls a core takes.

python3 bench/paired [--quick] [--json FILE]; script/bench paired builds what it needs and gives it a network of its
own. Method and figures: docs/performance.md.
"""
import argparse
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
import time

import machine
import recorders

# The order of the table. Ours runs twice: what differs between the two is the noise.
RECORDERS = {"limit": recorders.Limit, "ours": recorders.Earshot, "ours_again": recorders.Earshot,
             "rtpengine": recorders.RtpEngineRecordOnly, "rtpengine_relay": recorders.RtpEngine,
             "tcpdump": recorders.Tcpdump}
SETTLE_SECONDS = 0.6  # a drain, a commit and a flush
MAX_LATE_SHARE = 0.05


def say(text):
    print(text, file=sys.stderr, flush=True)


def send_media(targets, seconds):
    source = f"{recorders.MEDIA_FROM[0]}:{recorders.MEDIA_FROM[1]}"
    sent = subprocess.run([recorders.BUILD / "bench/media_sender", "--from", source, "--seconds", str(seconds)],
                          input="\n".join(targets) + "\n", stdout=subprocess.PIPE, text=True, check=True,
                          preexec_fn=machine.pin(machine.SENDER_CPU))
    return json.loads(sent.stdout)


class Meter:
    """CPU time since its making."""

    def __init__(self, pid):
        self.pid = pid
        self.process = machine.process_cpu_ns(pid)
        self.core = machine.core_busy_ns(machine.RECORDER_CPU)

    def read(self):
        return (machine.process_cpu_ns(self.pid) - self.process,
                machine.core_busy_ns(machine.RECORDER_CPU) - self.core)


def measure(name, calls, seconds, scratch):
    """One run of one recorder; times in ns per packet sent (a run that lost any is not valid)."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    recorder = RECORDERS[name](directory)
    try:
        targets = recorder.set_up(calls)
        time.sleep(1)  # timers of the set-up
        drops_before = machine.drop_counters()
        memory_before = machine.memory_kb(recorder.process.pid)
        meter = Meter(recorder.process.pid)
        sent = send_media(targets, seconds)
        time.sleep(SETTLE_SECONDS)
        waiting = machine.waiting_octets(*recorders.PORTS)
        recording = meter.read()
        memory = machine.memory_kb(recorder.process.pid)
        recorder.finish()
        finished = meter.read()
        drops = machine.drop_counters()
        recorder.stop()
        if isinstance(recorder, recorders.Earshot):
            recorder.expect(sent["packets_per_stream"])
        stored = recorder.stored()
    finally:
        recorder.stop()
        shutil.rmtree(directory, ignore_errors=True)
    packets = sent["sent"]
    run = {
        "recorder": name, "calls": calls, "seconds": seconds, "sent": packets, "stored": stored["packets"],
        "lost": calls * recorders.PARTIES * sent["packets_per_stream"] - stored["packets"],
        "drops": {k: drops[k] - drops_before[k] for k in drops}, "waiting_octets": waiting,
        "late_share": sent["late_slots"] / sent["slots"], "latest_ms": round(sent["latest_ms"], 1),
        "ns": round(recording[0] / packets), "ns_finished": round(finished[0] / packets),
        "core_ns": round(recording[1] / packets), "core_ns_finished": round(finished[1] / packets),
        "core_share": round(recording[1] / 1e9 / (sent["seconds"] + SETTLE_SECONDS), 3),
        "bytes_per_packet": round(stored["bytes"] / packets),
        "media_growth_kb": {k: memory[k] - memory_before[k] for k in memory},
    }
    run["check"] = stored.get("check")
    run["faults"] = faults_of(run, stored)
    say(f"  {name:16} {run['ns']:6} ns/packet, finished {run['ns_finished']:6}, core {run['core_ns']:6}, "
        f"lost {run['lost']}{'; ' + ', '.join(run['faults']) if run['faults'] else ''}")
    return run


def faults_of(run, stored):
    """Why a run says nothing; empty when it is valid."""
    faults = []
    if run["lost"] != 0:
        faults.append(f"{run['lost']} packets lost")
    if stored.get("check") and not stored["check"]["clean"]:
        faults.append("the recordings are not as sent")
    if any(run["drops"].values()):
        faults.append(f"the kernel dropped {run['drops']}")
    if run["waiting_octets"]:
        faults.append("packets still waited when the media had ended")
    if run["late_share"] >= MAX_LATE_SHARE:
        faults.append(f"the sender was late in {run['late_share']:.0%} of its slots")
    return faults


def run_rounds(rounds, calls, seconds, scratch):
    shuffle = random.Random(1).sample
    runs = []
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}: {calls} calls for {seconds} s each")
        for name in shuffle(list(RECORDERS), len(RECORDERS)):
            runs.append(measure(name, calls, seconds, scratch) | {"round": number})
    return runs


def summary_of(values):
    return {"median": round(statistics.median(values), 3), "least": round(min(values), 3),
            "most": round(max(values), 3)} if values else None


def compare(runs, rounds):
    """Ratios within each round, then over the rounds."""
    ratios = {}
    for number in range(1, rounds + 1):
        of = {run["recorder"]: run for run in runs if run["round"] == number}

        def ours(key):
            return (of["ours"][key] + of["ours_again"][key]) / 2
        for suffix, ns in (("", "ns"), ("_core", "core_ns")):
            found = {
                "ours_over_limit": ours(ns) / of["limit"][ns],
                "ours_with_wav_over_limit": ours(ns + "_finished") / of["limit"][ns],
                "rtpengine_over_ours": of["rtpengine"][ns] / ours(ns),
                "rtpengine_relay_over_ours": of["rtpengine_relay"][ns] / ours(ns),
                "tcpdump_over_ours": of["tcpdump"][ns] / ours(ns),
                "ours_again_over_ours": of["ours_again"][ns] / of["ours"][ns],
            }
            for name, ratio in found.items():
                ratios.setdefault(name + suffix, []).append(ratio)
    return {name: summary_of(values) for name, values in ratios.items()}


def climb(rungs, scratch):
    """The most calls that one core records without losing one packet."""
    runs = []
    for calls, seconds in rungs:
        say(f"{calls} calls on one core for {seconds} s")
        runs.append(measure("ours", calls, seconds, scratch))
        if runs[-1]["faults"]:
            break
    return runs


def rungs_of(quick):
    if quick:
        return [(500, 10), (1000, 10)]
    # Each stream takes two descriptors of the recorder.
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // (2 * recorders.PARTIES)
    return [(calls, 15 if calls < 1500 else 60) for calls in range(500, most + 1, 500)]


def main():
    parser = argparse.ArgumentParser(prog="script/bench paired", description="The paired benchmark.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", metavar="FILE", help="keep all figures")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--calls", type=int, help="of each run of a round")
    parser.add_argument("--seconds", type=int, help="of media of each run of a round")
    parser.add_argument("--no-climb", action="store_true", help="leave out calls_per_core")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 5)
    calls = options.calls or (200 if options.quick else 500)
    seconds = options.seconds or (8 if options.quick else 30)

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    about = machine.describe()
    os.sched_setaffinity(0, {machine.SENDER_CPU})
    before = machine.steer_loopback(f"{1 << machine.RECORDER_CPU:x}")
    if before is None:
        say("rps_cpus of lo may not be set here: receiving is paid for by the sender's core")
    scratch = tempfile.mkdtemp(prefix="earshot-paired-")
    try:
        runs = run_rounds(rounds, calls, seconds, scratch)
        ratios = compare(runs, rounds)
        rungs = [] if options.no_climb else climb(rungs_of(options.quick), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if before is not None:
            machine.steer_loopback(before)
    passed = [run["calls"] for run in rungs if not run["faults"]]
    report = {"machine": about | {"is_receiving_steered": before is not None}, "rounds": rounds, "calls": calls,
              "seconds": seconds, **{name: ratio["median"] for name, ratio in ratios.items()},
              "calls_per_core": max(passed, default=0) if rungs else None, "spread": ratios, "rungs": rungs,
              "runs": runs}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    for name, ratio in ratios.items():
        print(f"{name:32} {ratio['median']:6.2f}  ({ratio['least']:.2f} to {ratio['most']:.2f})")
    print(f"calls_per_core {report['calls_per_core']}")


if __name__ == "__main__":
    main()
