#include "relay/ng_message.h"

#include <algorithm>

#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {

using base::Errc;
using base::Error;
using base::Result;

namespace {

class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    Result<NgDictionary> read_whole() {
        if (peek() != 'd') return malformed("NG: no dictionary");
        auto dictionary = read_dictionary(1);
        if (dictionary && at_ != text_.size()) return malformed("NG: octets after the end");
        return dictionary;
    }

private:
    Error malformed(std::string_view what) const { return {Errc::Malformed, what, at_}; }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    Result<NgValue> read_value(std::size_t depth) {
        if (++values_ > kMaxNgValues) return Error{Errc::TooLarge, "NG: too many values", at_};
        if (depth > kMaxNgDepth) return Error{Errc::TooLarge, "NG: too deep", at_};
        switch (peek()) {
            case 'd': {
                auto dictionary = read_dictionary(depth);
                if (!dictionary) return dictionary.error();
                return NgValue(*std::move(dictionary));
            }
            case 'l':
                return read_list(depth);
            case 'i':
                return read_integer();
            default: {
                auto text = read_string();
                if (!text) return text.error();
                return NgValue(*text);
            }
        }
    }

    // The digits before `end`, which is passed over; nullopt: none, or a second way to write it.
    std::optional<std::string_view> take_digits(char end) {
        const std::size_t size = std::min(text_.find(end, at_), text_.size()) - at_;
        const std::string_view digits = text_.substr(at_, size);
        const bool is_number = !digits.empty() && size <= kMaxNgDigits &&
                               std::all_of(digits.begin(), digits.end(), base::is_digit);
        if (!is_number || (digits[0] == '0' && size > 1) || at_ + size == text_.size())
            return std::nullopt;
        at_ += size + 1;
        return digits;
    }

    Result<std::string_view> read_string() {
        const auto digits = take_digits(':');
        const auto size = digits ? base::parse_number<std::size_t>(*digits) : std::nullopt;
        if (!size) return malformed("NG: no value");
        if (*size > text_.size() - at_) return malformed("NG: string past the end");
        const std::string_view text = text_.substr(at_, *size);
        at_ += *size;
        return text;
    }

    Result<NgValue> read_integer() {
        ++at_;
        const bool is_negative = peek() == '-';
        if (is_negative) ++at_;
        const auto digits = take_digits('e');
        const auto size = digits ? base::parse_number<std::int64_t>(*digits) : std::nullopt;
        if (!size || (is_negative && *size == 0)) return malformed("NG: no integer");
        return NgValue(is_negative ? -*size : *size);
    }

    Result<NgValue> read_list(std::size_t depth) {
        ++at_;
        NgList list;
        while (peek() != 'e') {
            auto value = read_value(depth + 1);
            if (!value) return value;
            list.push_back(*std::move(value));
        }
        ++at_;
        return NgValue(std::move(list));
    }

    Result<NgDictionary> read_dictionary(std::size_t depth) {
        ++at_;
        std::vector<NgEntry> entries;
        while (peek() != 'e') {
            const auto key = read_string();
            if (!key) return key.error();
            auto value = read_value(depth + 1);
            if (!value) return value.error();
            entries.push_back({std::string(*key), *std::move(value)});
        }
        ++at_;
        auto dictionary = NgDictionary::sorted(std::move(entries));
        if (!dictionary) return malformed("NG: a key twice");
        return *std::move(dictionary);
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;
};

class Writer {
public:
    explicit Writer(base::Bytes& out) : out_(out) {}

    void write(const NgDictionary& dictionary) {
        append("d");
        for (const auto& [key, value] : dictionary.entries()) {
            write_string(key);
            write(value);
        }
        append("e");
    }

private:
    void append(std::string_view text) { base::append(out_, base::as_bytes(text)); }
    void write_string(std::string_view text) {
        append(std::to_string(text.size()));
        append(":");
        append(text);
    }
    void write(const NgValue& value) {
        if (const auto* text = value.text()) return write_string(*text);
        if (const auto* dictionary = value.dictionary()) return write(*dictionary);
        if (const auto* number = value.number()) {
            append("i");
            append(std::to_string(*number));
        } else {
            append("l");
            for (const NgValue& item : *value.list()) write(item);
        }
        append("e");
    }

    base::Bytes& out_;
};

}  // namespace

NgDictionary::NgDictionary(std::initializer_list<NgEntry> entries) {
    for (const NgEntry& entry : entries) set(entry.key, entry.value);
}

std::optional<NgDictionary> NgDictionary::sorted(std::vector<NgEntry> entries) {
    std::sort(entries.begin(), entries.end(),
              [](const NgEntry& a, const NgEntry& b) { return a.key < b.key; });
    const auto twice =
        std::adjacent_find(entries.begin(), entries.end(),
                           [](const NgEntry& a, const NgEntry& b) { return a.key == b.key; });
    if (twice != entries.end()) return std::nullopt;
    NgDictionary dictionary;
    dictionary.entries_ = std::move(entries);
    return dictionary;
}

void NgDictionary::set(std::string key, NgValue value) {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), key,
                                     [](const NgEntry& e, const auto& k) { return e.key < k; });
    if (at != entries_.end() && at->key == key)
        at->value = std::move(value);
    else
        entries_.insert(at, NgEntry{std::move(key), std::move(value)});
}

const NgValue* NgDictionary::find(std::string_view key) const {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), key,
                                     [](const NgEntry& e, auto k) { return e.key < k; });
    return at != entries_.end() && at->key == key ? &at->value : nullptr;
}

std::string_view NgDictionary::text(std::string_view key) const {
    const NgValue* value = find(key);
    const std::string* text = value == nullptr ? nullptr : value->text();
    return text == nullptr ? std::string_view{} : *text;
}

std::int64_t NgDictionary::number(std::string_view key) const {
    const NgValue* value = find(key);
    const std::int64_t* number = value == nullptr ? nullptr : value->number();
    return number == nullptr ? 0 : *number;
}

const NgList& NgDictionary::list(std::string_view key) const {
    static const NgList kNone;
    const NgValue* value = find(key);
    const NgList* list = value == nullptr ? nullptr : value->list();
    return list == nullptr ? kNone : *list;
}

const NgDictionary& NgDictionary::dictionary(std::string_view key) const {
    static const NgDictionary kNone;
    const NgValue* value = find(key);
    const NgDictionary* dictionary = value == nullptr ? nullptr : value->dictionary();
    return dictionary == nullptr ? kNone : *dictionary;
}

std::string_view ng_cookie(base::ByteView datagram) {
    const std::string_view text =
        base::as_text(datagram.first(std::min(datagram.size(), kMaxNgCookieBytes + 1)));
    const std::size_t space = text.find(' ');
    return space == std::string_view::npos ? std::string_view{} : text.substr(0, space);
}

Result<NgDatagram> parse_ng(base::ByteView datagram) {
    if (datagram.size() > kMaxNgBytes) return Error{Errc::TooLarge, "NG: datagram too large"};
    const std::string_view cookie = ng_cookie(datagram);
    if (cookie.empty()) return Error{Errc::Malformed, "NG: no cookie"};
    auto dictionary = Reader(base::as_text(datagram.subspan(cookie.size() + 1))).read_whole();
    if (!dictionary) return dictionary.error();
    return NgDatagram{.cookie = cookie, .dictionary = *std::move(dictionary)};
}

base::Bytes write_ng(std::string_view cookie, const NgDictionary& dictionary) {
    base::Bytes out;
    base::append(out, base::as_bytes(cookie));
    out.push_back(' ');
    Writer(out).write(dictionary);
    return out;
}

}  // namespace earshot::relay
