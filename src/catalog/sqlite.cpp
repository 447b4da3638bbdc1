#include "catalog/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

namespace earshot::catalog {

static_assert(kSqliteOk == SQLITE_OK && kSqliteRow == SQLITE_ROW && kSqliteDone == SQLITE_DONE);

base::Reason reason_of(int code, std::string_view what, std::string_view path) {
    const auto say = [&](std::string_view name, std::string_view advice) {
        return base::Reason{std::string(name),
                            fmt::format("The catalogue {} cannot {}: {} ({}). {}", path, what,
                                        sqlite3_errstr(code), code, advice)};
    };
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return say("catalogue_busy", "Another program holds its lock; end that program.");
        case SQLITE_FULL:
            return say("catalogue_full", "Make room on the disk.");
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return say("catalogue_damaged",
                       "Move the file away; the recordings themselves are not in it.");
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
            return say("catalogue_not_writable", "Check the owner and mode of its folder.");
        default:
            return say("catalogue_error", "");
    }
}

void Database::Closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

base::Result<Database, base::Reason> Database::open(const std::string& path, Mode mode,
                                                    std::chrono::milliseconds busy_timeout) {
    // FULLMUTEX: the readers' connection is shared by threads, each with statements of its own.
    const int flags =
        SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE |
        (mode == Mode::Write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    Database database(handle, path);  // owned even after a failure, as the library demands
    if (code != SQLITE_OK) return reason_of(code, "be opened", path);
    sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
    return database;
}

// It changes the database, though not the handle.
// NOLINTNEXTLINE(readability-make-member-function-const)
int Database::execute(const std::string& sql) {
    return sqlite3_exec(get(), sql.c_str(), nullptr, nullptr, nullptr);
}

std::optional<std::int64_t> Database::query_number(const std::string& sql) {
    auto statement = Statement::prepare(*this, sql);
    if (!statement || statement->step() != kSqliteRow) return std::nullopt;
    return statement->number(0);
}

void Statement::Finalizer::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

base::Result<Statement, int> Statement::prepare(Database& database, std::string_view sql) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v2(database.get(), sql.data(), static_cast<int>(sql.size()),
                                        &handle, nullptr);
    if (code != SQLITE_OK) return code;
    return Statement(handle);
}

Statement& Statement::bind(std::string_view value) {
    // An empty view may hold a null pointer, which the library would store as NULL.
    const char* data = value.empty() ? "" : value.data();
    // The library's macro for "copy it" is a C cast.
    const auto copy = SQLITE_TRANSIENT;  // NOLINT
    const int code =
        sqlite3_bind_text64(handle_.get(), next_++, data, value.size(), copy, SQLITE_UTF8);
    if (code != SQLITE_OK) bind_error_ = code;
    return *this;
}

Statement& Statement::bind(std::int64_t value) {
    const int code = sqlite3_bind_int64(handle_.get(), next_++, value);
    if (code != SQLITE_OK) bind_error_ = code;
    return *this;
}

Statement& Statement::bind_null() {
    const int code = sqlite3_bind_null(handle_.get(), next_++);
    if (code != SQLITE_OK) bind_error_ = code;
    return *this;
}

Statement& Statement::bind_or_null(const std::optional<std::string>& value) {
    return value ? bind(std::string_view(*value)) : bind_null();
}

Statement& Statement::bind_or_null(std::optional<std::int64_t> value) {
    return value ? bind(*value) : bind_null();
}

int Statement::step() {
    if (bind_error_ != 0) return bind_error_;
    return sqlite3_step(handle_.get());
}

int Statement::run() {
    int code = step();
    while (code == SQLITE_ROW) code = sqlite3_step(handle_.get());
    reset();
    return code == SQLITE_DONE ? kSqliteOk : code;
}

void Statement::reset() {
    sqlite3_reset(handle_.get());
    next_ = 1;
    bind_error_ = 0;
}

std::string Statement::text(int column) const {
    const unsigned char* data = sqlite3_column_text(handle_.get(), column);
    if (data == nullptr) return {};
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
    return {reinterpret_cast<const char*>(data), size};
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(handle_.get(), column);
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

}  // namespace earshot::catalog
