#!/usr/bin/env python3
"""Kills one of two recording servers under running calls, and counts what their recordings miss.

Usage: bench/failover.py [CALLS [RING_MS [RUNS]]]     (100 calls, a ring of 3000 ms, once)

Two servers and a client of build/release/earshot, two phones for each call, all on loopback. Once all
calls are recorded the first server is killed by SIGKILL; at the end it is started again, so that it
stores what its journal has. Prints when the second server accepted the calls, seen from the kill, and
for the streams of both servers together the packets that neither of them has; with a ring, whether each
call is whole: neither server lacks a packet between its first and last one of a stream, and what both have
overlaps. The servers take other settings by the environment (EARSHOT_STORAGE_COMMIT_INTERVAL_MS).
"""
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

EARSHOT = os.environ.get("EARSHOT", "build/release/earshot")
CALLS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
RING_MS = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
RUNS = int(sys.argv[3]) if len(sys.argv) > 3 else 1
DURATION_S = 16
PACKET_MS = 20
OVERLAP = 25  # packets of a stream that both servers have, at least


def start_server(folder, number):
    ports = f"{30000 + 2000 * number}-{31999 + 2000 * number}"
    return subprocess.Popen(
        [EARSHOT, "server", "--data", f"{folder}/server{number}", "--sip", f"127.0.0.1:{5570 + number}",
         "--http", f"127.0.0.1:{8571 + number}", "--media-ports", ports],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def recordings(folder, number):
    listed = subprocess.run([EARSHOT, "ls", "--json", "--limit", "1000"], capture_output=True, text=True,
                            env={**os.environ, "EARSHOT_DATA": f"{folder}/server{number}"})
    rows = json.loads(listed.stdout) if listed.returncode == 0 else []
    return [row for row in rows if row["state"] != "recording"]


def wait_until(condition, seconds):
    end = time.time() + seconds
    while time.time() < end and not condition():
        time.sleep(0.2)


def events(log, kind):
    with open(log) as lines:
        told = [json.loads(line) for line in lines if f'recording: {kind}"' in line]
    return [datetime.datetime.fromisoformat(one["time"].replace("Z", "+00:00")).timestamp() for one in told]


def whole_calls(first, second, sent):
    """Calls whose streams have no hole; `sent`: the most packets that a phone has sent."""
    def streams(rows):
        return {(session, stream["label"]): stream for row in rows for session in row["session_ids"]
                for stream in row["streams"]}
    before, after = streams(first), streams(second)
    calls = {}
    for key in set(before) | set(after):
        is_whole = key in before and key in after and before[key]["lost"] == after[key]["lost"] == 0 and \
            before[key]["packets"] + after[key]["packets"] >= sent + OVERLAP
        calls.setdefault(key[0], []).append(is_whole)
    return sum(1 for streams in calls.values() if len(streams) == 2 and all(streams))


def run(folder):
    servers = [start_server(folder, number) for number in (0, 1)]
    with open(f"{folder}/client.toml", "w") as config:
        config.write('client.servers = ["sip:a@127.0.0.1:5570", "sip:b@127.0.0.1:5571"]\n'
                     f"media.ring_ms = {RING_MS}\n")
    time.sleep(1)
    log = f"{folder}/client.log"
    with open(log, "w") as out:
        client = subprocess.Popen(
            [EARSHOT, "client", "--config", f"{folder}/client.toml", "--data", f"{folder}/client", "--sip",
             "127.0.0.1:5572", "--http", "127.0.0.1:8573", "--media-ports", "34000-37999"], stdout=out, stderr=out)
    time.sleep(1)
    phones = subprocess.Popen(
        [EARSHOT, "call", "--through", "127.0.0.1:5572", "--count", str(CALLS), "--rate", "50", "--duration",
         str(DURATION_S), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        wait_until(lambda: len(events(log, "start")) >= CALLS, 30)
        time.sleep(3)
        killed = time.time()
        servers[0].kill()
        servers[0].wait()
        told = json.loads(phones.communicate()[0])
        packets = told["summary"]["packets"]
        wait_until(lambda: len(recordings(folder, 1)) >= CALLS, 60)
        servers[0] = start_server(folder, 0)
        wait_until(lambda: len(recordings(folder, 0)) >= CALLS, 60)
        after = sorted((at - killed) * 1000 for at in events(log, "failover"))
        rows = [recordings(folder, number) for number in (0, 1)]
        streams = [sum(stream["packets"] for row in one for stream in row["streams"]) for one in rows]
        whole = whole_calls(*rows, max(call[leg]["sent"] for call in told["calls"] for leg in ("a", "b")))
    finally:
        for process in (phones, client, *servers):
            process.terminate()
        for process in (client, *servers):
            process.wait()
    print(f"calls {CALLS}, accepted by the second server: {len(after)}")
    if after:
        print(f"after the kill: {after[0]:.0f} ms the first, {after[len(after) // 2]:.0f} ms half, {after[-1]:.0f} ms all")
    print(f"packets: {packets['sent']} sent, {packets['lost']} lost between the phones, {streams[0]} + {streams[1]} recorded")
    balance = (packets["sent"] - sum(streams)) / (2 * CALLS) * PACKET_MS
    print(f"of each leg {balance:.0f} ms missing" if balance >= 0 else
          f"of each leg {-balance:.0f} ms recorded by both servers")
    if RING_MS > 0:
        print(f"without a hole: {whole} of {CALLS} calls", flush=True)
    return whole == CALLS and packets["lost"] == 0


good = 0
for _ in range(RUNS):
    with tempfile.TemporaryDirectory(prefix="earshot-failover-") as made:
        good += run(made)
if RUNS > 1:
    print(f"runs without a hole and without a packet lost between the phones: {good} of {RUNS}")
