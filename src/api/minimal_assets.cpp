#include "api/api.h"

namespace earshot::api {
namespace {

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Earshot</title>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">
<h1>Earshot</h1>
<p>This build was made without the web page (<code>-DEARSHOT_WEB=OFF</code>). The recordings are there:</p>
<pre>earshot ls
earshot show ID
earshot play ID</pre>
<p>or over REST, <a href="/api/v1/recordings">/api/v1/recordings</a>.</p>
</body>
</html>
)html";

class MinimalAssets : public Assets {
public:
    std::optional<Asset> find(std::string_view path) const override {
        if (path != "/") return std::nullopt;
        return Asset{"text/html; charset=utf-8", kPage, "", ""};
    }
};

}  // namespace

std::unique_ptr<Assets> make_minimal_assets() { return std::make_unique<MinimalAssets>(); }

}  // namespace earshot::api
