"""What a conference with a chat costs the recording client: bench/chat_room.py [PARTICIPANTS] [SECONDS] [MESSAGES_A_SECOND] [CODEC] [SPEAKERS].

PARTICIPANTS (20) phones dial into a room of a fresh client with voice (CODEC: PCMU, or opus by libopus.so.0; SPEAKERS of them, all by
themselves, say something, the others silence) and a chat, each writes MESSAGES_A_SECOND (1) to all
others, for SECONDS (20); a fresh server records it. Prints as JSON: packets and messages sent, delivered and in the archive, how long a message
took to the others, how long after its 200 each participant was in the server's metadata and its stream was there, and the CPU time of the client's threads and of its child that decodes Opus, as a share of one core.
"""
import ctypes
import json
import math
import os
import pathlib
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EARSHOT = pathlib.Path(os.environ.get("EARSHOT", ROOT / "build/release/earshot"))
PARTICIPANTS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
RATE = float(sys.argv[3]) if len(sys.argv) > 3 else 1
CODEC = sys.argv[4] if len(sys.argv) > 4 else "PCMU"
SPEAKERS = int(sys.argv[5]) if len(sys.argv) > 5 else PARTICIPANTS
OPUS = CODEC == "opus"


def opus_frames(amplitude):
    """A second of a vowel, 20 ms each."""
    library = ctypes.CDLL("libopus.so.0")
    library.opus_encoder_create.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(library.opus_encoder_create(16000, 1, 2048, ctypes.byref(ctypes.c_int())))  # VOIP
    library.opus_encoder_ctl(encoder, 4002, ctypes.c_int(24000))  # bitrate
    frames = []
    for tick in range(50):
        samples = [sum(math.sin(2 * math.pi * 140 * k * (tick * 320 + i) / 16000) / k for k in range(1, 12)) for i in range(320)]
        pcm = (ctypes.c_int16 * 320)(*[int(amplitude * sample) for sample in samples])
        out = (ctypes.c_ubyte * 1500)()
        frames.append(bytes(out[:library.opus_encode(encoder, pcm, 320, out, 1500)]))
    return frames


# In PCMU a square of 1 kHz, or silence.
FRAMES = opus_frames(3000) if OPUS else [bytes(0x55 if i % 8 < 4 else 0xd5 for i in range(160))]
SILENCE = opus_frames(0) if OPUS else [bytes([0xff]) * 160]
TYPE = 111 if OPUS else 0


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Daemon:
    def __init__(self, directory, kind, config, ports):
        directory.mkdir()
        self.sip = free_port()
        self.data = directory / "data"
        (directory / "config.toml").write_text(config)
        self.log = directory / "log"
        self.process = subprocess.Popen(
            [EARSHOT, kind, "--config", directory / "config.toml", "--data", self.data, "--sip", f"127.0.0.1:{self.sip}",
             "--http", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}", "--media-ports", ports],
            env=dict(os.environ, EARSHOT_MSRP_LISTEN=f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"),
            stdout=subprocess.PIPE, stderr=open(self.log, "w"), text=True)
        for line in self.process.stdout:
            if line.startswith("page: "):
                return
        raise RuntimeError(f"{kind} did not start: " + self.log.read_text())

    def threads(self):
        spent = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                spent[name] = spent.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1e9
            except OSError:
                continue
        for process in pathlib.Path("/proc").iterdir():
            try:
                pid, name, _, parent = (process / "stat").read_text().split()[:4]
                if name == "(earshot-opus)" and int(parent) == self.process.pid:
                    spent["earshot-opus"] = int((process / "schedstat").read_text().split()[0]) / 1e9
            except (OSError, ValueError):
                continue
        return spent

    def run(self, *arguments):
        done = subprocess.run([EARSHOT, *arguments, "--data", self.data], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Phone:
    def __init__(self, number, client):
        self.number = number
        self.client = ("127.0.0.1", client.sip)
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind(("127.0.0.1", 0))
        self.sip.settimeout(20)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)
        self.at = "127.0.0.1:%d" % self.sip.getsockname()[1]
        self.uri = f"sip:phone{number}@{self.at}"
        self.own = f"msrp://127.0.0.1:9/phone{number};tcp"
        self.room = f"sip:conf-1@127.0.0.1:{client.sip}"
        self.sequence = self.written = self.heard = 0
        self.delays = []
        self.rest = b""

    def request(self, method, to, cseq, body=""):
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (f"{method} {self.room} SIP/2.0\r\nVia: SIP/2.0/UDP {self.at};branch=z9hG4bK{self.number}{method}{cseq}\r\n"
                f"Max-Forwards: 70\r\nFrom: <{self.uri}>;tag=p{self.number}\r\nTo: {to}\r\nCall-ID: bench{self.number}\r\n"
                f"CSeq: {cseq} {method}\r\nContact: <{self.uri}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}")
        self.sip.sendto(text.encode(), self.client)

    def dial(self):
        port = self.rtp.getsockname()[1]
        self.request("INVITE", f"<{self.room}>", 1,
                     "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                     f"m=audio {port} RTP/AVP {TYPE}\r\n{'a=rtpmap:111 opus/48000/2' if OPUS else 'a=rtpmap:0 PCMU/8000'}\r\nm=message 9 TCP/MSRP *\r\na=path:{self.own}\r\na=setup:active\r\n"
                     "a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=chatroom:nickname private-messages\r\n")
        while True:
            answer = self.sip.recv(65536).decode()
            if not answer.startswith("SIP/2.0 1"):
                break
        if not answer.startswith("SIP/2.0 200"):
            raise RuntimeError(answer)
        self.in_at = time.time_ns()
        self.to = re.search(r"^To: (.*?)\r$", answer, re.M).group(1)
        self.request("ACK", self.to, 1)
        self.media = ("127.0.0.1", int(re.search(r"m=audio (\d+)", answer).group(1)))
        self.path = re.search(r"a=path:(\S+)", answer).group(1)
        self.chat = socket.create_connection(("127.0.0.1", int(re.search(r":(\d+)/", self.path).group(1))))
        self.chat.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send("", "binds")
        self.chat.setblocking(False)

    def send(self, body, name):
        content = f"Content-Type: message/cpim\r\n\r\n{body}\r\n" if body else ""
        self.chat.sendall((f"MSRP t{name}x SEND\r\nTo-Path: {self.path}\r\nFrom-Path: {self.own}\r\nMessage-ID: {name}\r\n"
                           f"Failure-Report: no\r\n{content}-------t{name}x$\r\n").encode())

    def write(self):
        self.written += 1
        self.send(f"From: <{self.uri}>\r\nTo: <{self.room}>\r\n\r\nContent-Type: text/plain\r\n\r\n"
                  f"line {self.written} of phone {self.number} @{time.monotonic():.6f}", f"m{self.number:03d}{self.written:05d}")

    def speak(self):
        self.sequence += 1
        head = bytes([0x80, TYPE]) + (self.sequence & 0xffff).to_bytes(2, "big") + (self.sequence * (960 if OPUS else 160)).to_bytes(4, "big")
        frames = FRAMES if self.number < SPEAKERS else SILENCE
        self.rtp.sendto(head + self.number.to_bytes(4, "big") + frames[self.sequence % len(frames)], self.media)

    def hear(self):
        try:
            while self.rtp.recv(2048):
                self.heard += 1
        except BlockingIOError:
            pass

    def read(self):
        try:
            self.rest += self.chat.recv(1 << 20)
        except BlockingIOError:
            return
        now = time.monotonic()
        *whole, self.rest = re.split(rb"-------[^\r\n]+[$+#]\r\n", self.rest)
        for one in whole:
            sent = re.search(rb"of phone \d+ @(\d+\.\d+)", one)
            if sent:
                self.delays.append(now - float(sent.group(1)))


def spread(milliseconds):
    ordered = sorted(milliseconds)
    return {"median": round(ordered[len(ordered) // 2], 1), "p99": round(ordered[len(ordered) * 99 // 100], 1),
            "max": round(ordered[-1], 1)} if ordered else None


def joins(phones, events):
    """Milliseconds from a phone's 200 until the server knew it and had its stream; both clocks are this machine's.

    Streams of a room have the number of the participant as the first part of their labels."""
    known = {event["participant"]: event["arrival_ns"] for event in reversed(events) if event["type"] == "participant_joined"}
    streams = {event["label"]: event["arrival_ns"] for event in reversed(events) if event["type"] == "stream_added"}
    return {"joins": len(known.keys() & {phone.uri for phone in phones}),
            "join_to_metadata_ms": spread((known[phone.uri] - phone.in_at) / 1e6 for phone in phones if phone.uri in known),
            "join_to_stream_ms": spread((streams[label] - phone.in_at) / 1e6 for phone in phones
                                        if (label := f"{phone.number + 1}-1") in streams)}


def talk(phones, seconds, messages):
    selector = selectors.DefaultSelector()
    for phone in phones:
        selector.register(phone.chat, selectors.EVENT_READ, phone.read)
        selector.register(phone.rtp, selectors.EVENT_READ, phone.hear)
    start = time.monotonic()
    ticks = written = 0
    while (now := time.monotonic() - start) < seconds + 1:
        for key, _ in selector.select(0.002):
            key.data()
        while ticks < min(now, seconds) * 50:
            ticks += 1
            for phone in phones:
                phone.speak()
        while messages and written < min(now, seconds) * messages * len(phones):
            phones[written % len(phones)].write()
            written += 1


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        server = Daemon(scratch / "server", "server", "", "21000-21999")
        client = Daemon(scratch / "client", "client",
                        f'[client]\nservers = ["sip:127.0.0.1:{server.sip}"]\n[focus]\nrooms = ["conf-*"]\n'
                        f'record = "separate"\nmax_participants = {PARTICIPANTS}\nchimes = false\n', "22000-22999")
        phones = [Phone(number, client) for number in range(PARTICIPANTS)]
        for phone in phones:
            phone.dial()
        time.sleep(2)
        before = client.threads()
        talk(phones, SECONDS, RATE)
        after = client.threads()
        for phone in phones:
            phone.request("BYE", phone.to, 2)
        for _ in range(300):
            recordings = json.loads(server.run("ls", "--json"))
            recordings = recordings.get("recordings", recordings) if isinstance(recordings, dict) else recordings
            if recordings and recordings[0]["state"] in ("complete", "partial", "failed"):
                break
            time.sleep(0.2)
        recording = recordings[0]
        chat = json.loads(server.run("export", recording["id"], "--format", "chat", "-o", "-"))
        events = json.loads(server.run("export", recording["id"], "--format", "json", "-o", "-"))["events"]
        spent = {name: after[name] - before.get(name, 0) for name in after}
        delays = [d * 1e3 for phone in phones for d in phone.delays]
        sent = sum(phone.written for phone in phones)
        print(json.dumps({
            "participants": PARTICIPANTS, "seconds": SECONDS, "codec": CODEC, "speakers": SPEAKERS,
            "packets_sent": sum(phone.sequence for phone in phones),
            "packets_in_archive": sum(stream.get("packets", 0) for stream in recording["streams"]),
            "packets_heard": sum(phone.heard for phone in phones),
            "messages_sent": sent, "messages_delivered": len(delays), "messages_to_deliver": sent * (PARTICIPANTS - 1),
            "messages_in_archive": sum(m["kind"] == "text" and m["state"] == "complete" for m in chat["messages"]),
            "delivery_ms": spread(delays), **joins(phones, events),
            "state": recording["state"],
            "cpu_percent_of_core": {name: round(100 * used / (SECONDS + 1), 2) for name, used in sorted(spent.items()) if used > 0.005},
            "cpu_percent_total": round(100 * sum(spent.values()) / (SECONDS + 1), 2),
        }, indent=1))
        client.stop()
        server.stop()


main()
