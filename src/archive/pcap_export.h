// The pcap export: the stored packets and SIP messages, merged by arrival.
#pragma once

#include <memory>

#include "archive/render.h"
#include "archive/stored_recording.h"

namespace earshot::archive {

base::Result<std::unique_ptr<Rendering>, base::Reason> render_pcap(
    const StoredRecording& recording);

}  // namespace earshot::archive
