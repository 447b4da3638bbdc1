// The one executable: a subcommand a job.
#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

#include "app/attend_command.h"
#include "app/call_command.h"
#include "app/cli.h"
#include "app/client_command.h"
#include "app/config_command.h"
#ifdef EARSHOT_WEB
#include "app/embedded_assets.h"
#endif
#include "app/companion_command.h"
#include "app/keys_command.h"
#include "app/server_command.h"
#include "app/tables.h"

// What nobody catches is our own bug and shall end in std::terminate, with a core.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
    CLI::App app{"Earshot records SIP calls (SIPREC: RFC 7866, RFC 7865)."};
    app.require_subcommand(1);
    app.set_version_flag("--version", "earshot 0.1.0");
    app.footer("`earshot VERB --help` tells more and has examples. Start with `earshot server`.");
#ifdef EARSHOT_WEB
    const auto assets = earshot::app::make_embedded_assets();
#else
    const auto assets = earshot::api::make_minimal_assets();
#endif
    const std::array commands{earshot::app::make_server_command(app, *assets),
                              earshot::app::make_client_command(app, *assets),
                              earshot::app::make_config_command(app),
                              earshot::app::make_call_command(app),
                              earshot::app::make_rest_verbs(app),
                              earshot::app::make_keys_command(app),
                              earshot::app::make_companion_command(app),
                              earshot::app::make_attend_command(app)};
    const std::string first = argc > 1 ? argv[1] : "";
    const bool is_verb =
        !app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == first; })
             .empty();
    if (!first.empty() && first.front() != '-' && !is_verb) {
        std::cerr << "earshot: there is no verb \"" << earshot::app::printable(first)
                  << "\"; `earshot --help` lists them.\n";
        return static_cast<int>(earshot::app::Exit::Usage);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : static_cast<int>(earshot::app::Exit::Usage);
    }
    for (const auto& command : commands)
        if (command->was_chosen()) return static_cast<int>(command->run(std::cout, std::cerr));
    return static_cast<int>(earshot::app::Exit::Usage);
}
