// What became of messages at those who were to have them: notifications (IMDN, RFC 5438) and
// REPORTs that a wrapper brings (RFC 4975 section 7.1.2), joined to the messages that they are of.
// Peers say all of this: what names no message that came before it is joined to none.
#pragma once

#include <functional>
#include <string>

#include "archive/chat.h"

namespace earshot::archive {

// Fills ChatMessage::deliveries, of each person the furthest that is known. The messages are in the
// order of their times; what is withheld has to be so before: nothing is told of it, nor by it.
void join_deliveries(Chat& chat);

// "read by Ben, Cleo; failed for Dan: 413"; empty: nothing is known.
std::string delivery_text(const ChatMessage& message,
                          const std::function<std::string(const ChatPerson&)>& name_of);

}  // namespace earshot::archive
