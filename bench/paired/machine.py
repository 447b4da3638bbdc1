"""What the kernel counts of a process, a core and its network, and how the cores are shared out."""
import os
import pathlib
import re
import time

RECORDER_CPU = 0
SENDER_CPU = 1
RPS = pathlib.Path("/sys/class/net/lo/queues/rx-0/rps_cpus")
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def pin(cpu):
    """For Popen's preexec_fn."""
    return lambda: os.sched_setaffinity(0, {cpu})


def pin_punctual(cpu):
    """For the sender: where that is permitted, nothing else makes it late."""
    def prepare():
        os.sched_setaffinity(0, {cpu})
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass
    return prepare


def steer_loopback(mask):
    """Which core receives what is sent on lo: by default the sender's own. Returns what it was; None: not permitted."""
    try:
        before = RPS.read_text().strip()
        RPS.write_text(mask)
        return before
    except OSError:
        return None


def process_cpu_ns(pid):
    """User and system time of all threads, those that have ended included: the process's own clock."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def thread_cpu_ns(pid):
    """CPU time of the threads that there are, by name; the first one's name is the program's."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name, ns = (task / "comm").read_text().strip(), int((task / "schedstat").read_text().split()[0])
        except OSError:  # it has just ended
            continue
        times[name] = times.get(name, 0) + ns
    return times


def core_busy_ns(cpu):
    """A clock that stands still while the core idles. What the hypervisor took away is no work of ours."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{cpu} "):
            fields = [int(f) for f in line.split()[1:]]
            return time.monotonic_ns() - (fields[3] + fields[4] + fields[7]) * NS_PER_TICK  # idle, iowait, steal
    raise RuntimeError(f"/proc/stat has no cpu{cpu}")


def drop_counters():
    """Datagrams that the kernel threw away: full socket buffers, no memory, full backlogs of the cores."""
    rows = [line.split() for line in pathlib.Path("/proc/net/snmp").read_text().splitlines()]
    names, values = [row for row in rows if row[0] == "Udp:"]
    udp = dict(zip(names[1:], map(int, values[1:])))
    softnet = pathlib.Path("/proc/net/softnet_stat").read_text().splitlines()
    return {"rcvbuf_errors": udp["RcvbufErrors"], "mem_errors": udp.get("MemErrors", 0),
            "softnet_dropped": sum(int(line.split()[1], 16) for line in softnet)}


def waiting_octets(low, high):
    """What lies unread in the receive buffers of these local UDP ports."""
    total = 0
    for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if low <= int(fields[1].split(":")[1], 16) <= high:
            total += int(fields[4].split(":")[1], 16)
    return total


def memory_bytes(pid):
    """Resident memory of the process, and what the kernel keeps for UDP: sockets with their descriptors, and packets
    that wait in them."""
    waiting = re.search(r"^UDP: .* mem (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return {"resident": _resident_bytes(pid), "sockets": _socket_bytes(),
            "waiting": int(waiting.group(1)) * os.sysconf("SC_PAGE_SIZE")}


def _resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"{pid} has no memory")


def _socket_bytes():
    try:
        rows = [line.split() for line in pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]]
    except PermissionError:  # root's alone
        return 0
    return sum(int(row[1]) * int(row[3]) for row in rows if row[0] in ("UDP", "UDPv6", "sock_inode_cache", "filp"))


def describe():
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cores": os.cpu_count(), "cpu": model, "kernel": os.uname().release,
            "load_before": " ".join(f"{load:.2f}" for load in os.getloadavg())}
