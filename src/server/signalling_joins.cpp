// Signalling, continued: what makes a call a piece of a recording that has other calls, too. The
// keys are found here and journalled; which recordings have them is decided by the catalogue, in
// the transaction that writes the row.
#include <algorithm>

#include "server/call_views.h"
#include "server/limits.h"
#include "server/signalling.h"

namespace earshot::server {

void Signalling::look_for_join_keys(Call& call, const sip::Message& request) {
    add_join_keys(call, siprec::find_join_keys(request, config_.join.keys));
}

void Signalling::look_for_join_keys(Call& call) {
    if (!std::exchange(call.has_new_metadata, false)) return;
    add_join_keys(call, siprec::find_join_keys(call.session->metadata(), config_.join.keys));
}

// Each key is told once. Those that come when the call has its row already may make it a piece of
// another recording: a client that first names nobody, or learns the other half of a Session-ID.
void Signalling::add_join_keys(Call& call, std::vector<siprec::JoinKey> keys) {
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (siprec::JoinKey& key : keys) {
        const bool is_known =
            std::find(call.join_keys.begin(), call.join_keys.end(), key) != call.join_keys.end();
        if (is_known || call.join_keys.size() >= kMaxCallJoinKeys) continue;
        names.push_back(key.name);
        values.push_back(key.value);
        call.join_keys.push_back(std::move(key));
    }
    if (names.empty()) return;
    siprec::Event event = siprec::make_event(
        "join_keys", siprec::kNoStream,
        {{"group", call.join_group}, {"names", std::move(names)}, {"values", std::move(values)}});
    carry_out(call, event);
    call.is_row_stale = true;
}

catalog::Change Signalling::make_change(const Call& call) {
    return {.recordings = {make_row(call)},
            .attempts = {},
            .on_join = [this, serial = call.serial](const catalog::Join& join) {
                d_.loop.post([this, serial, join] { tell_joins(serial, join); });
            }};
}

// The reason stands on the timeline of the piece that joined.
void Signalling::tell_joins(std::uint64_t serial, const catalog::Join& join) {
    d_.log.info("a call is a piece of a recording", {{"piece", join.piece},
                                                     {"recording", join.recording},
                                                     {"with", join.other},
                                                     {"key", join.key.name},
                                                     {"value", join.key.value}});
    live_is_dirty_ = true;
    Call* call = find(serial);
    if (call == nullptr) return;  // it has ended; the catalogue keeps the reason
    siprec::Event event = siprec::make_event("piece_joined", siprec::kNoStream,
                                             {{"recording", join.recording},
                                              {"with", join.other},
                                              {"key", join.key.name},
                                              {"value", join.key.value}});
    carry_out(*call, event);
    pause_like_its_pieces(*call, join);
}

// An operator's pause is the recording's: it holds for a piece that joins meanwhile, too.
void Signalling::pause_like_its_pieces(Call& call, const catalog::Join& join) {
    for (const std::string& id : {join.recording, join.other}) {
        const auto uuid = base::parse_uuid(id);
        const auto running = uuid ? by_recording_.find(*uuid) : by_recording_.end();
        const Call* piece = running == by_recording_.end() ? nullptr : find(running->second);
        if (piece == nullptr || piece == &call || !piece->session->operator_pause().is_paused)
            continue;
        const siprec::OperatorPause pause = piece->session->operator_pause();
        call.session->pause(d_.clock.now(),
                            {.who = pause.who, .access = {}, .from = {}, .reason = pause.reason});
        run_session(call);
        return;
    }
}

}  // namespace earshot::server
