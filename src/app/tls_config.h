// The keys of TLS in [sip], the same for both daemons. As in config_values.h, each setter returns
// what is wrong with its text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/net_address.h"
#include "io/tls_settings.h"

namespace earshot::app {

// None, one or several, separated by commas; without a port: 5061.
std::string set_tls_listens(std::vector<base::NetAddress>& addresses, std::string_view text);
// One file, or as many as there are certificates, in the same order.
std::string set_certificates(io::TlsSettings& tls, std::string_view text);
std::string set_private_keys(io::TlsSettings& tls, std::string_view text);
std::string set_client_certificate(io::TlsSettings& tls, std::string_view text);
std::string set_tls_version(io::TlsSettings& tls, std::string_view text);

// What does not hold between these keys, or in the files that they name: a mistake is told by
// `earshot config check` and before a reload, not by the first call.
std::optional<ConfigError> check_tls(const std::vector<base::NetAddress>& listens,
                                     const io::TlsSettings& tls, const std::string& file);

}  // namespace earshot::app
