"""The recorders that are compared. Each is started afresh for a run, told of its calls, and asked what it stored.

start() -> set_up(): where the media of each call go, as lines of media_sender -> (media) -> finish(): all is stored
that will be -> stop() -> stored(): packets found in the files, and their octets.
"""
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import machine

HOST = "127.0.0.1"
MEDIA_FROM = ("127.0.0.2", 61000)  # the client's end, out of the way of the recorders' ports
PORTS = (20000, 59999)  # what other programs are given lies behind (isolated)
SIP = f"{HOST}:15060"
HTTP = f"{HOST}:18080"
NG = (HOST, 12221)
SLOTS, PARTIES = 20, 2  # bench/media_source.h
BUILD = pathlib.Path("build/release")


def wait_until(is_so, what, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} took more than {seconds} s")
        time.sleep(0.05)


class Recorder:
    def __init__(self, directory):
        self.directory = directory
        self.process = None

    def launch(self, command, **environment):
        """Pinned to the recorder's core; stdout and stderr to files of the run."""
        with open(self.directory / "out", "w") as out, open(self.directory / "log", "w") as log:
            self.process = subprocess.Popen([str(word) for word in command], env=os.environ | environment,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            preexec_fn=machine.pin(machine.RECORDER_CPU))

    def wait_for(self, text, file="out"):
        def is_there():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args[0]} ended: {(self.directory / 'log').read_text()[-500:]}")
            return text in (self.directory / file).read_text()
        wait_until(is_there, f"the start of {self.process.args[0]}")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """Nothing to do where all is stored with the last packet."""

    def set_up(self, calls):
        """Without signalling: every port of the range in turn."""
        ports = iter(range(PORTS[0], PORTS[1], 2))
        return [f"{i} {HOST}:{next(ports)} {HOST}:{next(ports)}" for i in range(calls)]


class Limit(Recorder):
    """Receive, stamp, journal, sync: bench/limit_recorder.cpp."""

    def start(self, calls):
        self.launch([BUILD / "bench/limit_recorder", HOST, PORTS[0], calls * PARTIES, self.directory / "journal"])
        self.wait_for("ready")

    def stored(self, _):
        counted = subprocess.run([BUILD / "bench/limit_recorder", "--count", self.directory / "journal"],
                                 check=True, capture_output=True, text=True)
        return json.loads(counted.stdout)


class Tcpdump(Recorder):
    """One file, nothing told apart, no sync. Nobody listens at the ports: only the tap takes the packets."""

    def start(self, _):
        self.launch(["tcpdump", "-i", "lo", "-n", "-Z", "root", "-B", 65536, "-w", self.directory / "pcap",
                     f"udp and dst portrange {PORTS[0]}-{PORTS[1]}"])
        self.wait_for("listening on", "log")

    def finish(self):
        time.sleep(1.5)  # libpcap hands over a block when it is full, or a second old

    def stored(self, _):
        return count_pcaps([self.directory / "pcap"])


class Earshot(Recorder):
    """Ours, by real SIPREC sessions; each packet is looked for in the finished recordings."""

    SETUP_RATE = 200
    READER = "sockets"
    client = None

    def start(self, _):
        self.launch([BUILD / "earshot", "server", "--data", self.directory / "data", "--sip", SIP, "--http", HTTP,
                     "--media-ports", f"{PORTS[0]}-{PORTS[1]}"],
                    EARSHOT_MEDIA_WORKERS="1", EARSHOT_MEDIA_READER=self.READER)
        self.wait_for("page: ")

    def set_up(self, calls):
        self.client = subprocess.Popen(
            [BUILD / "bench/siprec_client", "--to", SIP, "--calls", str(calls), "--rate", str(self.SETUP_RATE),
             "--media", f"{MEDIA_FROM[0]}:{MEDIA_FROM[1]}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=machine.pin(machine.SENDER_CPU))
        self.targets = [self.client.stdout.readline().rstrip() for _ in range(calls)]
        if not self.targets[-1]:
            raise RuntimeError("the SIPREC sessions could not be set up")
        return self.targets

    def finish(self):
        self.client.stdin.close()
        if self.client.wait(300) != 0:
            raise RuntimeError("the SIPREC sessions did not end well")
        recordings = self.directory / "data/recordings"

        def is_all_stored():
            return sum(1 for _ in recordings.glob("*/*/*/*")) >= len(self.targets)
        wait_until(is_all_stored, "storing the recordings", 600)
        time.sleep(1.5)  # the last rows

    def stop(self):
        if self.client is not None:
            self.client.kill()  # where it has not ended by itself
            self.client.wait()
        super().stop()

    def stored(self, packets_per_stream):
        sent = [{"packets": packets_per_stream}] * PARTIES
        calls = [{"call_id": line.split()[0], "sip_status": 200, "sent": sent} for line in self.targets]
        (self.directory / "calls.json").write_text(json.dumps(calls))
        checked = subprocess.run([BUILD / "bench/check_keyed", self.directory / "calls.json", self.directory / "data"],
                                 capture_output=True, text=True)
        if checked.returncode not in (0, 1):
            raise RuntimeError("check_keyed: " + checked.stderr)
        found = json.loads(checked.stdout)
        files = (self.directory / "data/recordings").rglob("*")
        return {"packets": found["found"], "bytes": sum(f.stat().st_size for f in files if f.is_file()),
                "check": found}


class EarshotByTheRing(Earshot):
    """Media is taken from a packet ring before the kernel's UDP."""

    READER = "packet_ring"


class RtpEngine(Recorder):
    """RTPEngine in user space that relays each call and records it; without relaying when `blocks`."""

    blocks = False

    def start(self, _):
        for name in ("tmp", "pcaps", "metadata"):
            (self.directory / name).mkdir()
        self.launch(["rtpengine", "--config-file=none", "--table=-1", f"--interface={HOST}",
                     f"--listen-ng={NG[0]}:{NG[1]}", f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}",
                     "--delete-delay=0", "--foreground", "--log-stderr", "--log-level=3",
                     f"--recording-dir={self.directory}", "--recording-method=pcap", "--recording-format=eth",
                     "--num-threads=1"])
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.control.bind((MEDIA_FROM[0], 0))
        self.control.settimeout(2)
        self.cookies = itertools.count()
        wait_until(lambda: self.ask(command="ping") is not None, "the start of rtpengine")

    def set_up(self, calls):
        self.calls = calls
        return [self.place(i) for i in range(calls)]

    def ask(self, **request):
        """One exchange of the NG protocol. A cookie that was used before would be answered from a cache."""
        cookie = b"%d " % next(self.cookies)
        self.control.sendto(cookie + bencode({k.replace("_", "-"): v for k, v in request.items()}), NG)
        try:
            answer, _ = bdecode(self.control.recv(65536).removeprefix(cookie))
        except (ConnectionError, TimeoutError):
            if self.process.poll() is not None:
                raise RuntimeError(f"rtpengine ended: {(self.directory / 'log').read_text()[-500:]}") from None
            return None
        if answer[b"result"] not in (b"ok", b"pong"):
            raise RuntimeError(f"rtpengine: {answer}")
        return answer

    def place(self, index):
        call = {"call_id": f"paired-{index}", "from_tag": "a"}
        offer = self.ask(command="offer", sdp=offer_of(index, 0), record_call="yes", ICE="remove", **call)
        answer = self.ask(command="answer", sdp=offer_of(index, 1), to_tag="b", ICE="remove", **call)
        if self.blocks:
            self.ask(command="block media", flags=["all"], call_id=call["call_id"])
        # What the caller says goes to the port that it was answered, the callee's to that of the offer.
        return f"{call['call_id']} {HOST}:{port_of(answer)} {HOST}:{port_of(offer)}"

    def finish(self):
        for index in range(self.calls):
            self.ask(command="delete", call_id=f"paired-{index}", from_tag="a")

    def stored(self, _):
        return count_pcaps((self.directory / "pcaps").iterdir())


class RtpEngineRecordOnly(RtpEngine):
    blocks = True


def offer_of(call, party):
    port = MEDIA_FROM[1] + 2 * (PARTIES * (call % SLOTS) + party)
    return (f"v=0\r\no=- {call} 1 IN IP4 {MEDIA_FROM[0]}\r\ns=-\r\nc=IN IP4 {MEDIA_FROM[0]}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")


def port_of(answer):
    return int(re.search(rb"m=audio (\d+)", answer[b"sdp"]).group(1))


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"%d:%s" % (len(value.encode()), value.encode())


def bdecode(text):
    """The first value and what follows it."""
    kind = text[:1]
    if kind == b"i":
        number, rest = text[1:].split(b"e", 1)
        return int(number), rest
    if kind in (b"d", b"l"):
        items, rest = [], text[1:]
        while not rest.startswith(b"e"):
            item, rest = bdecode(rest)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), rest[1:]
    length, rest = text.split(b":", 1)
    return rest[:int(length)], rest[int(length):]


def count_pcaps(paths):
    packets = octets = 0
    for path in paths:
        content = memoryview(path.read_bytes())
        octets += len(content)
        at = 24  # the file's header
        while at + 16 <= len(content):
            packets += 1
            at += 16 + struct.unpack_from("<I", content, at + 8)[0]
    return {"packets": packets, "bytes": octets}
