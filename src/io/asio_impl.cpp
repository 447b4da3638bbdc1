// Boost.Asio's code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION) for http/, server/ and
// loadgen/.
#include <boost/asio/impl/src.hpp>
