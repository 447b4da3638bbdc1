"""Companion recordings started and stopped at a rate, with Debian's RTPEngine: bench/companion_rate.py [RATE] [SECONDS].

Makes RATE * SECONDS calls in an RTPEngine, then says at RATE a second that one begins, and two seconds later that it has ended, each
over HTTP as a proxy's script does. Prints what became of them, the p50 and p99 of the answers, and the CPU time of the client.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
EARSHOT = ROOT / "build/release/earshot"
RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
LASTS = 2
ENGINE = ("127.0.0.1", 22230)


def bencode(value):
    if isinstance(value, str):
        return f"{len(value.encode())}:{value}".encode()
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Engine:
    def __init__(self, directory):
        self.process = subprocess.Popen(
            ["rtpengine", "--config-file=none", "--table=-1", "--interface=127.0.0.1",
             f"--listen-ng={ENGINE[0]}:{ENGINE[1]}", "--port-min=34000", "--port-max=59998", "--delete-delay=0",
             "--foreground", "--log-stderr", "--log-level=3"], stderr=open(directory / "rtpengine.log", "w"))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.cookie = 0
        time.sleep(1)

    def ask(self, **command):
        self.cookie += 1
        fields = {key.replace("_", "-"): value for key, value in command.items()}
        self.socket.sendto(f"{self.cookie} ".encode() + bencode(fields), ENGINE)
        answer = self.socket.recv(65536)
        if b"6:result2:ok" not in answer:
            raise RuntimeError(answer)

    def make_call(self, number):
        def sdp(port):
            return (f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                    f"m=audio {port} RTP/AVP 0 8\r\n")
        self.ask(command="offer", call_id=f"call-{number}", from_tag="a", sdp=sdp(9000))
        self.ask(command="answer", call_id=f"call-{number}", from_tag="a", to_tag="b", sdp=sdp(9002))


class Daemon:
    def __init__(self, directory, *arguments):
        self.log = directory / f"{arguments[0]}.log"
        self.process = subprocess.Popen([EARSHOT, *arguments], stdout=open(directory / f"{arguments[0]}.out", "w"),
                                        stderr=open(self.log, "w"))
        for _ in range(200):
            if "page: " in (directory / f"{arguments[0]}.out").read_text():
                return
            time.sleep(0.1)
        raise RuntimeError(self.log.read_text())

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    directory = pathlib.Path(tempfile.mkdtemp())
    engine = Engine(directory)
    config = directory / "client.toml"
    config.write_text(f'[companion]\nrtpengine = ["{ENGINE[0]}:{ENGINE[1]}"]\n')
    server = Daemon(directory, "server", "--data", str(directory / "s"), "--sip", "127.0.0.1:22232", "--http", "127.0.0.1:22233",
                    "--media-ports", "10000-19999")
    client = Daemon(directory, "client", "--config", str(config), "--data", str(directory / "c"), "--sip", "127.0.0.1:22234",
                    "--http", "127.0.0.1:22235", "--media-ports", "33000-33099", "--record-to", "sip:rec@127.0.0.1:22232")
    token = json.loads((directory / "c/cli.json").read_text())["token"]
    total = RATE * SECONDS
    times, failures = [], []

    def post(path, body):
        request = urllib.request.Request(f"http://127.0.0.1:22235/api/v1/companion/{path}", json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {token}"})
        began = time.monotonic()
        try:
            urllib.request.urlopen(request, timeout=30).read()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(f"{path} {body['call_id']}: {error} {getattr(error, 'read', bytes)()!r}")
        times.append(time.monotonic() - began)

    def run(number, due):
        time.sleep(max(0, due - time.monotonic()))
        post("recordings", {"call_id": f"call-{number}", "from_tag": "a", "to_tag": "b", "from": "sip:a@x", "to": "sip:b@x"})
        time.sleep(max(0, due + LASTS - time.monotonic()))
        post("end", {"call_id": f"call-{number}"})

    try:
        for number in range(total):
            engine.make_call(number)
        before, start = client.cpu_seconds(), time.monotonic() + 0.5
        threads = []
        for number in range(total):
            time.sleep(max(0, start + number / RATE - 0.2 - time.monotonic()))
            threads.append(threading.Thread(target=run, args=(number, start + number / RATE)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        wall = time.monotonic() - start
        time.sleep(2)
        cpu = client.cpu_seconds() - before
        log = client.log.read_text()
        times.sort()
        print(json.dumps({
            "rate": RATE, "recordings": total, "seconds": round(wall, 1), "failures": len(failures),
            "started": log.count("recording: start"), "stopped": log.count("recording: stop"), "failed": log.count("recording: failed"),
            "answer_p50_ms": round(1000 * times[len(times) // 2], 1), "answer_p99_ms": round(1000 * times[len(times) * 99 // 100], 1),
            "client_cpu_ms_per_recording": round(1000 * cpu / total, 2)}))
        for failure in failures[:5]:
            print(failure, file=sys.stderr)
    finally:
        for process in (client.process, server.process, engine.process):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
