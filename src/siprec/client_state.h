// What a recording client tells of a session, as whole states: how one state follows from the one
// before, and the partial update (RFC 7866 section 9.1, spec/metadata-model section 4) that takes a
// server from one to the other. Pure.
#pragma once

#include <vector>

#include "base/time.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// `next` with what a document must say beside it, since nothing in a partial update deletes an
// object (rule 5): who and what is in `before` alone is ended at `now` and stays. An association
// whose send and recv are as before keeps its time, another one gets `now` unless it brings a later
// one. Each session gets its sessionrecordingassoc, from `now` on when it is new.
// Of the sessions that `next` lacks those in `left` go on, and are recorded here no longer.
// A participant that `next` lacks and that left kGoneTime ago is forgotten.
MetadataObjects follow_state(const MetadataObjects& before, MetadataObjects next,
                             base::WallTime now, const std::vector<MetadataId>& left = {});

// Takes out of both what belongs to sessions that are recorded here no longer, once the server has
// been told so: a session of weeks does not keep what it said of each call.
void forget_ended(MetadataObjects& told, MetadataObjects& now);

// The same state when the recording ends at `now`: every sessionrecordingassoc is over.
MetadataObjects end_recording(MetadataObjects objects, base::WallTime now);

// The objects of `now` that are not the same in `told`, each in full.
MetadataObjects changed_objects(const MetadataObjects& told, const MetadataObjects& now);

// RFC 7866 section 9.1 (P-96): a document with labels travels with the offer that defines them.
bool has_labels(const MetadataObjects& objects);
// Beside an offer: all streams with their labels, which hold for that message alone (P-32).
void add_labelled_streams(MetadataObjects& objects, const MetadataObjects& all);

}  // namespace earshot::siprec
