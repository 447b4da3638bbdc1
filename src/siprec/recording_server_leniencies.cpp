// What a recording server says of its client: what was bent to take its requests, who speaks where
// the metadata does not tell, and what it tells its parties about the recording.
#include <algorithm>
#include <array>
#include <functional>

#include "siprec/recording_server_core.h"

namespace earshot::siprec {

std::vector<FoundLeniency> RecordingServerSession::Core::find_all_leniencies(
    const sip::Message& request, const InviteMarks* marks, const RequestBody& body,
    const Offer& offer) const {
    std::vector<FoundLeniency> found;
    if (marks != nullptr) find_leniencies(request, *marks, found);
    if (marks != nullptr && !body.sdp) found.push_back({Leniency::NoOffer, {}});
    found.insert(found.end(), body.leniencies.begin(), body.leniencies.end());
    for (const std::string& type : body.unknown_required)
        found.push_back({Leniency::UnknownBodyPart, "unknown body part of type " + type});
    if (offer && *offer) {
        siprec::find_leniencies(***offer, peer_, found);
        offers_.find_leniencies(***offer, *body.sdp, found);
    }
    return found;
}

void RecordingServerSession::Core::tell_leniencies(const std::vector<FoundLeniency>& found) {
    for (const FoundLeniency& one : found) tell_leniency(one);
}

// Clients repeat their faults in each request: each is told once in a session.
void RecordingServerSession::Core::tell_leniency(const FoundLeniency& found) {
    const auto bit = static_cast<std::size_t>(found.leniency);
    if (told_leniencies_.test(bit)) return;
    told_leniencies_.set(bit);
    actions_.emplace_back(make_leniency_event("sip_leniency", found, base::to_string(peer_)));
}

// RFC 7866 sections 7.1.2 and 7.3.2: what the client says to its parties about the recording, and
// what they want, may ride in its offer to us. They are facts of the call, never orders (P-48).
void RecordingServerSession::Core::tell_record_attributes(const sdp::SessionDescription& offer) {
    constexpr std::array<const char*, 4> kStates = {"", "on", "off", "paused"};
    constexpr std::array<const char*, 5> kPreferences = {"", "on", "off", "pause", "nopreference"};
    std::vector<std::string> states;
    std::vector<std::string> preferences;
    std::string all;
    bool is_told = false;
    for (const sdp::MediaDescription& medium : offer.media) {
        states.emplace_back(kStates[static_cast<std::size_t>(medium.record)]);
        preferences.emplace_back(kPreferences[static_cast<std::size_t>(medium.record_preference)]);
        is_told = is_told || !states.back().empty() || !preferences.back().empty();
        all += states.back() + '/' + preferences.back() + ' ';
    }
    const std::size_t hash = std::hash<std::string>{}(all) | 1U;
    if (hash == told_record_attributes_hash_ || (!is_told && told_record_attributes_hash_ == 0))
        return;
    told_record_attributes_hash_ = hash;
    actions_.emplace_back(make_event("record_attributes", kNoStream,
                                     {{"record", states}, {"recordpref", preferences}}));
}

// Who speaks on which line, where the metadata does not say it; told when it changes. Its place in
// the list is the party's, `media_index` its line's.
void RecordingServerSession::Core::tell_parties(std::string_view source,
                                                std::vector<HeaderParty> parties) {
    std::vector<std::string> aors;
    std::vector<std::string> labels;
    std::string all;
    for (HeaderParty& party : parties) {
        if (party.media_index >= lines_.lines().size()) continue;
        labels.push_back(lines_.lines()[party.media_index].label);
        all += party.aor + '\n' + labels.back() + '\n';
        aors.push_back(std::move(party.aor));
    }
    const std::size_t hash = std::hash<std::string>{}(all) | 1U;
    if (aors.empty() || hash == told_parties_hash_) return;
    if (told_parties_hash_ != 0 && metadata_.model().objects().participants.empty()) {
        RowFacts facts;
        metadata_.fill(facts);
        for (const std::string& aor : aors) facts.participants.push_back({aor, {}});
        actions_.emplace_back(UpdateRow{std::move(facts)});
    }
    told_parties_hash_ = hash;
    actions_.emplace_back(
        make_event("parties_assumed", kNoStream,
                   {{"source", std::string{source}}, {"participants", aors}, {"labels", labels}}));
}

// Q19: Cisco's NBR names the parties in headers; a transfer is a re-INVITE with other ones. Q3: old
// OpenSIPS names participants and no streams or nobody who sends one.
void RecordingServerSession::Core::assume_parties(std::vector<HeaderParty> of_headers) {
    const MetadataObjects& objects = metadata_.model().objects();
    if (objects.participants.empty()) {
        tell_parties("headers", std::move(of_headers));
        return;
    }
    const auto& lines = lines_.lines();
    const auto& assocs = objects.participant_streams;
    const bool is_told = std::any_of(assocs.begin(), assocs.end(),
                                     [](const auto& assoc) { return !assoc.send.empty(); }) ||
                         std::any_of(lines.begin(), lines.end(), [](const auto& line) {
                             return line.paused || line.had_sender;
                         });
    // One line is a mix of all; else each party has its own.
    const bool fits = lines.size() == 1 || lines.size() == objects.participants.size();
    if (is_told || !fits) return;
    tell_leniency({Leniency::NoStreams, {}});
    std::vector<HeaderParty> parties;
    for (std::size_t i = 0; i < objects.participants.size(); ++i) {
        const auto& names = objects.participants[i].names;
        if (!names.empty()) parties.push_back({names.front().aor, lines.size() == 1 ? 0 : i});
    }
    tell_parties("order", std::move(parties));
}

}  // namespace earshot::siprec
