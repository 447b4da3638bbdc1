"""One run of one recorder, from its first packet to the last file."""
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

import machine
import recorders

# In the order of the table. Ours runs twice: what differs between the two is the noise.
RECORDERS = {"limit": recorders.Limit, "ours": recorders.Earshot, "ours_again": recorders.Earshot,
             "ours_ring": recorders.EarshotByTheRing, "rtpengine": recorders.RtpEngineRecordOnly,
             "rtpengine_relay": recorders.RtpEngine, "tcpdump": recorders.Tcpdump}
SETTLE_SECONDS = 0.6  # a drain, a commit and a flush
MAX_LATE_SHARE = 0.05


class CpuMeter:
    """Since its making: CPU time of the process, and the time in which its core did not idle."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = machine.process_cpu_ns(pid), machine.core_busy_ns(machine.RECORDER_CPU)
        self.threads = machine.thread_cpu_ns(pid)

    def read(self):
        return (machine.process_cpu_ns(self.pid) - self.begin[0],
                machine.core_busy_ns(machine.RECORDER_CPU) - self.begin[1])

    def read_threads(self, packets):
        now = machine.thread_cpu_ns(self.pid)
        return {name: round((ns - self.threads.get(name, 0)) / packets) for name, ns in sorted(now.items())}


class MemoryMeter:
    """Growth since its making, of the process and of the kernel's sockets and buffers; looked at twice a second."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = machine.memory_bytes(pid)
        self.samples = []
        self.is_over = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.is_over.wait(0.5):
            now = machine.memory_bytes(self.pid)
            self.samples.append({part: now[part] - self.begin[part] for part in now})

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def growth(self):
        """In octets; `parts` are those of the peak."""
        totals = [sum(sample.values()) for sample in self.samples]
        peak = max(totals)
        return {"mean": sum(totals) / len(totals), "peak": peak, "parts": self.samples[totals.index(peak)]}


def send_media(targets, seconds):
    source = f"{recorders.MEDIA_FROM[0]}:{recorders.MEDIA_FROM[1]}"
    sent = subprocess.run([recorders.BUILD / "bench/media_sender", "--from", source, "--seconds", str(seconds)],
                          input="\n".join(targets) + "\n", stdout=subprocess.PIPE, text=True, check=True,
                          preexec_fn=machine.pin_punctual(machine.SENDER_CPU))
    return json.loads(sent.stdout)


def empty_files(directory):
    """Gives the space back, not the files: ext4 goes one by one past inodes that were deleted in the last minutes, and the
    next recorder that makes files would pay for it. The runner deletes everything at the end."""
    for path in directory.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def measure(name, calls, seconds, scratch):
    """CPU times in ns per packet sent; a run with faults says nothing of them."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    recorder = RECORDERS[name](directory)
    try:
        recorder.start(calls)
        memory = MemoryMeter(recorder.process.pid)
        targets = recorder.set_up(calls)
        idle = machine.core_busy_ns(machine.RECORDER_CPU)
        time.sleep(1)  # timers of the set-up
        busy_before = (machine.core_busy_ns(machine.RECORDER_CPU) - idle) / 1e9
        drops_before = machine.drop_counters()
        cpu = CpuMeter(recorder.process.pid)
        with memory:
            sent = send_media(targets, seconds)
        time.sleep(SETTLE_SECONDS)
        waiting = machine.waiting_octets(*recorders.PORTS)
        packets = calls * recorders.PARTIES * sent["packets_per_stream"]
        recording, recording_threads = cpu.read(), cpu.read_threads(packets)
        recorder.finish()
        finished, threads = cpu.read(), cpu.read_threads(packets)
        drops = machine.drop_counters()
        recorder.stop()
        stored = recorder.stored(sent["packets_per_stream"])
    finally:
        recorder.stop()
        empty_files(directory)
    run = {
        "recorder": name, "calls": calls, "seconds": seconds, "packets": packets, "stored": stored["packets"],
        "lost": packets - stored["packets"], "check": stored.get("check"),
        "ns": recording[0] / packets, "ns_finished": finished[0] / packets,
        "core_ns": recording[1] / packets, "core_ns_finished": finished[1] / packets,
        "core_share": recording[1] / 1e9 / (sent["seconds"] + SETTLE_SECONDS),
        "threads_ns": recording_threads, "threads_ns_finished": threads,
        "finishing_ms_per_call_minute": (finished[0] - recording[0]) / 1e6 / (calls * seconds / 60),
        "disk_bytes": stored["bytes"] / packets, "memory": memory.growth(),
        "busy_before": busy_before, "drops": {k: drops[k] - drops_before[k] for k in drops},
        "waiting_octets": waiting, "sender": sent,
    }
    return run | {"faults": faults_of(run)}


def faults_of(run):
    """Why a run says nothing; empty when it is valid."""
    faults = []
    if run["lost"] != 0:
        faults.append(f"{run['lost']} packets lost")
    elif run["check"] and not run["check"]["clean"]:
        faults.append("the recordings are not as sent")
    if any(run["drops"].values()):
        faults.append(f"the kernel dropped {run['drops']}")
    if run["waiting_octets"]:
        faults.append("packets still waited when the media had ended")
    late = run["sender"]["late_slots"] / run["sender"]["slots"]
    if late >= MAX_LATE_SHARE:
        faults.append(f"the sender was late in {late:.0%} of its slots")
    return faults
