// SQLite's C interface with owners for its two handles. Errors are the library's extended result
// codes; reason_of() makes them readable. sqlite3.h is seen by this folder's .cpp files alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace earshot::catalog {

// What to tell when the library answered `code` while it did `what` ("open", "commit") to `path`.
base::Reason reason_of(int code, std::string_view what, std::string_view path);

// Result codes as the callers here need them (the library's values, checked in sqlite.cpp).
inline constexpr int kSqliteOk = 0;
inline constexpr int kSqliteRow = 100;
inline constexpr int kSqliteDone = 101;

class Database {
public:
    enum class Mode { Write, ReadOnly };
    static base::Result<Database, base::Reason> open(const std::string& path, Mode mode,
                                                     std::chrono::milliseconds busy_timeout);

    sqlite3* get() const { return handle_.get(); }
    const std::string& path() const { return path_; }

    // Statements without parameters or results; returns the result code.
    int execute(const std::string& sql);
    // The first column of the first row as a number; nullopt when there is none.
    std::optional<std::int64_t> query_number(const std::string& sql);

private:
    struct Closer {
        void operator()(sqlite3* handle) const;
    };
    Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

    std::unique_ptr<sqlite3, Closer> handle_;
    std::string path_;
};

// One prepared statement. Text given to bind() is copied. Columns and parameters: the library
// counts columns from 0 and parameters from 1; bind() counts for the caller.
class Statement {
public:
    static base::Result<Statement, int> prepare(Database& database, std::string_view sql);

    Statement& bind(std::string_view value);
    Statement& bind(std::int64_t value);
    Statement& bind_null();
    Statement& bind_or_null(const std::optional<std::string>& value);
    Statement& bind_or_null(std::optional<std::int64_t> value);

    int step();  // kSqliteRow, kSqliteDone or an error
    int run();   // steps to the end and resets: kSqliteOk or an error
    void reset();

    std::string text(int column) const;
    std::int64_t number(int column) const;
    bool is_null(int column) const;

private:
    struct Finalizer {
        void operator()(sqlite3_stmt* handle) const;
    };
    explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

    std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
    int next_ = 1;        // the parameter that the next bind() fills
    int bind_error_ = 0;  // told by the next step()
};

}  // namespace earshot::catalog
