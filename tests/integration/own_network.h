// A network namespace for a test program: what it does to interfaces, rules and packets is nobody
// else's.
#pragma once

namespace earshot::test {

// Before the program's first thread: leaves the network for an empty one with a loopback. False:
// not permitted (it takes root); the network is then the host's, and must be left alone.
bool enter_own_network();
// Whether that was permitted.
bool has_own_network();

// Keeps this thread where it is; the loopback delivers in order on each CPU.
void stay_on_one_cpu();
// All that this thread has sent over the loopback since has arrived when it returns: a packet that
// is sent last arrives last. Without it a busy kernel may deliver later.
void wait_for_arrival();

// Of the loopback; IP fragments begin beyond it.
void set_loopback_mtu(int bytes);

}  // namespace earshot::test
