// An nftables rule that drops media packets where they enter the host (hook ingress of the family
// netdev), behind the packet sockets and before IP: what a packet ring has taken needs no second
// way through the kernel.
//
// Written straight to netlink: libnftables is under the GPL, and the nft program would have to be
// kept running, because the table belongs to the netlink socket that made it (NFT_TABLE_F_OWNER,
// Linux 5.12). So nobody else can change it, not even by `nft flush ruleset`, and it is gone with
// this object or with the process, however that ends: no left-over can ever swallow media.
#pragma once

#include <string>

#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"
#include "io/media_traffic.h"

namespace earshot::io {

class IngressDrop {
public:
    // Reasons: ingress_rule (without CAP_NET_ADMIN, without nf_tables, before Linux 5.12).
    static base::Result<IngressDrop, base::Reason> install(const MediaTraffic& traffic);

    const std::string& table() const { return table_; }  // as `nft list tables` shows it

private:
    IngressDrop(FileDescriptor socket, std::string table)
        : socket_(std::move(socket)), table_(std::move(table)) {}

    FileDescriptor socket_;
    std::string table_;
};

}  // namespace earshot::io
