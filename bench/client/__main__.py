"""The relay of the recording client beside RTPEngine: the same calls relayed and forked by each in turn.

script/bench client builds what it needs and gives it a network of its own. Method and figures: docs/performance.md.
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
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "paired"))

import machine  # noqa: E402
import recorders  # noqa: E402

from relays import RELAYS, Direct  # noqa: E402

SETTLE_SECONDS = 0.5
MAX_LATE_SHARE = 0.05
# Name: relay over relay. "_core": all that the relay's core did, what the kernel does on its behalf included.
RATIOS = {
    "relay_over_rtpengine": ("ours", "rtpengine"),
    "sockets_over_rtpengine": ("ours_sockets", "rtpengine"),
    "alone_over_rtpengine_alone": ("ours_alone", "rtpengine_alone"),
    "ours_again_over_ours": ("ours_again", "ours"),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def send(targets, seconds):
    traffic = subprocess.run(
        [recorders.BUILD / "bench/relay_traffic", *map(address, (recorders.MEDIA_FROM, Direct.SERVER)), str(seconds)],
        input="\n".join(targets) + "\n", stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=machine.pin_punctual(machine.SENDER_CPU))
    return json.loads(traffic.stdout)


def address(host_and_port):
    return f"{host_and_port[0]}:{host_and_port[1]}"


def measure(name, calls, seconds, is_urgent, scratch):
    """CPU times in ns for each packet that a phone sent; a run with faults says nothing of them."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    relay = RELAYS[name](directory)
    try:
        relay.start(calls)
        targets = relay.set_up(calls)
        if is_urgent:
            relay.make_urgent()
        time.sleep(1)  # timers of the set-up
        drops = machine.drop_counters()
        core = machine.core_busy_ns(machine.RECORDER_CPU)
        cpu = relay.cpu_ns()
        traffic = send(targets, seconds)
        time.sleep(SETTLE_SECONDS)
        cpu = relay.cpu_ns() - cpu
        core = machine.core_busy_ns(machine.RECORDER_CPU) - core
        drops = {key: value - drops[key] for key, value in machine.drop_counters().items()}
        counted = relay.finish()
    finally:
        relay.stop()
        shutil.rmtree(directory, ignore_errors=True)
    packets = traffic["sent"]
    run = {"relay": name, "calls": calls, "seconds": seconds, "packets": packets, "ns": cpu / packets,
           "core_ns": core / packets, "cpu_share_per_call": cpu / 1e9 / traffic["seconds"] / calls,
           "lost_relayed": packets - traffic["relayed"]["received"],
           "lost_forked": packets - traffic["forked"]["received"] if relay.forks else 0,
           "drops": drops, "counted": counted, "traffic": traffic}
    return run | {"faults": faults_of(run)}


def faults_of(run):
    faults = []
    if run["lost_relayed"] or run["lost_forked"]:
        faults.append(f"{run['lost_relayed']} and {run['lost_forked']} packets lost")
    if any(run["drops"].values()):
        faults.append(f"the kernel dropped {run['drops']}")
    late = run["traffic"]["late_slots"] / run["traffic"]["slots"]
    if late >= MAX_LATE_SHARE:
        faults.append(f"the phones were late in {late:.0%} of their slots")
    return faults


def run_rounds(names, options, scratch):
    order = random.Random(1)
    runs = []
    for number in range(1, options.rounds + 1):
        say(f"round {number} of {options.rounds}: {options.calls} calls for {options.seconds} s each")
        for name in order.sample(names, len(names)):
            run = measure(name, options.calls, options.seconds, options.urgent, scratch)
            delay = run["traffic"]["relayed"]
            say(f"  {name:16} {run['ns']:6.0f} ns a packet, core {run['core_ns']:6.0f}, delay {delay['p50_us']} "
                f"to {delay['p99_us']} us{'; ' + ', '.join(run['faults']) if run['faults'] else ''}")
            runs.append(run | {"round": number})
    return runs


def spread_of(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def compare(runs):
    """Ratios and added delays within each round, then over the rounds."""
    found = {}
    for number in sorted({run["round"] for run in runs}):
        of = {run["relay"]: run for run in runs if run["round"] == number}
        for name, (upper, lower) in RATIOS.items():
            for suffix, key in (("", "ns"), ("_core", "core_ns")):
                if upper in of and lower in of:
                    found.setdefault(name + suffix, []).append(of[upper][key] / of[lower][key])
        for name, run in of.items():
            for share in ("p50", "p99"):
                direct = of["direct"]["traffic"]["relayed"][f"{share}_us"]
                added = run["traffic"]["relayed"][f"{share}_us"] - direct
                found.setdefault(f"{name}_added_delay_{share}_us", []).append(added)
    return {name: spread_of(values) for name, values in found.items()}


def read_options():
    parser = argparse.ArgumentParser(prog="script/bench client", description="Our relay beside RTPEngine's forking.")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 100 calls for 5 s")
    parser.add_argument("--json", metavar="FILE", help="keep all figures")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 5, 2 with --quick")
    parser.add_argument("--calls", type=int, metavar="K", help="500, 100 with --quick")
    parser.add_argument("--seconds", type=int, metavar="S", help="of media of each run: 30, 5 with --quick")
    parser.add_argument("--urgent", action="store_true",
                        help="the relays at real-time priority, where other work on the machine would disturb them")
    parser.add_argument("--only", metavar="NAME,...", help=f"of {', '.join(RELAYS)}; direct always")
    options = parser.parse_args()
    for name, default in zip(("rounds", "calls", "seconds"), (2, 100, 5) if options.quick else (5, 500, 30)):
        setattr(options, name, getattr(options, name) or default)
    return options


def run_all(options):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {machine.SENDER_CPU})
    about = machine.describe()
    steering_before = machine.steer_loopback(f"{1 << machine.RECORDER_CPU:x}")
    names = [n for n in RELAYS if n == "direct" or not options.only or n in options.only.split(",")]
    scratch = tempfile.mkdtemp(prefix="earshot-client-")
    try:
        runs = run_rounds(names, options, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if steering_before is not None:
            machine.steer_loopback(steering_before)
    found = compare(runs)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    ours = [run for run in runs if run["relay"] in ("ours", "ours_again")]
    return {
        "client_date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "client_commit": commit or "unknown", "client_machine": about,
        "receives_on_relays_core": steering_before is not None,
        "rounds": options.rounds, "calls": options.calls, "seconds": options.seconds, "urgent": options.urgent,
        **{name: found[name]["median"] for name in RATIOS if name in found},
        "added_delay_p50_us": found.get("ours_added_delay_p50_us", {}).get("median"),
        "added_delay_p99_us": found.get("ours_added_delay_p99_us", {}).get("median"),
        "lost": sum(run["lost_relayed"] + run["lost_forked"] for run in ours),
        "spread": found, "runs": runs,
    }


def report(figures):
    about = figures["client_machine"]
    lines = [f"{figures['client_date']}, commit {figures['client_commit']}, {about['cores']} cores ({about['cpu']}), "
             f"Linux {about['kernel']}, load before {about['load_before']}; {figures['rounds']} rounds of "
             f"{figures['calls']} calls for {figures['seconds']} s{', at real-time priority' if figures['urgent'] else ''}", "",
             f"{'relay':16} {'ns a packet':>24} {'core':>8} {'added us p50':>12} {'p99':>8} {'lost':>8}"]
    for name in dict.fromkeys(run["relay"] for run in figures["runs"]):
        mine = [run for run in figures["runs"] if run["relay"] == name]
        ns = spread_of([run["ns"] for run in mine])
        core = statistics.median(run["core_ns"] for run in mine)
        added = [figures["spread"][f"{name}_added_delay_{share}_us"]["median"] for share in ("p50", "p99")]
        lost = sum(run["lost_relayed"] + run["lost_forked"] for run in mine)
        told = f"{ns['median']:.0f} ({ns['least']:.0f} to {ns['most']:.0f})"
        lines.append(f"{name:16} {told:>24} {core:8.0f} {added[0]:12.0f} {added[1]:8.0f} {lost:8}")
    lines.append("")
    for name in RATIOS:
        for suffix in ("", "_core"):
            if name + suffix in figures["spread"]:
                ratio = figures["spread"][name + suffix]
                lines.append(f"{name + suffix:36} {ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})")
    return "\n".join(lines)


def main():
    options = read_options()
    figures = run_all(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    print(report(figures))
    faulty = [run for run in figures["runs"] if run["faults"]]
    for run in faulty:
        say(f"not valid: {run['relay']} in round {run['round']}: {', '.join(run['faults'])}")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
