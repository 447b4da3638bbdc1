// Writes JSON text straight into a string: for the rows and events made for every call, where
// building a tree of values first costs more than all else. Reading is nlohmann::json's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::base {

// Appends the escape of one character that may not stand as it is: a quote, a backslash, a control
// character.
void append_json_escape(std::string& out, char c);

// Appends `text` in quotes, escaped (RFC 8259 section 7). What is not valid UTF-8 becomes U+FFFD.
void append_json_text(std::string& out, std::string_view text);

// The caller closes what it opens; keys are our own and need no escaping. Borrows `out`.
class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }
    JsonWriter& any_key(std::string_view name) {  // a peer's text as key
        separate();
        append_json_text(out_, name);
        out_ += ':';
        is_first_ = true;
        return *this;
    }
    JsonWriter& key(std::string_view name) {
        separate();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        is_first_ = true;  // the value follows without a comma
        return *this;
    }
    JsonWriter& text(std::string_view value) {
        separate();
        append_json_text(out_, value);
        return *this;
    }
    JsonWriter& number(std::int64_t value) {
        separate();
        out_ += std::to_string(value);
        return *this;
    }
    JsonWriter& boolean(bool value) {
        separate();
        out_ += value ? "true" : "false";
        return *this;
    }
    JsonWriter& null() {
        separate();
        out_ += "null";
        return *this;
    }
    JsonWriter& field(std::string_view name, std::string_view value) {
        return key(name).text(value);
    }
    JsonWriter& field(std::string_view name, std::int64_t value) { return key(name).number(value); }

private:
    JsonWriter& open(char bracket) {
        separate();
        out_ += bracket;
        is_first_ = true;
        return *this;
    }
    JsonWriter& close(char bracket) {
        out_ += bracket;
        is_first_ = false;
        return *this;
    }
    void separate() {
        if (!is_first_) out_ += ',';
        is_first_ = false;
    }

    std::string& out_;
    bool is_first_ = true;
};

}  // namespace earshot::base
