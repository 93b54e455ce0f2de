//! `flowstill completions` and `flowstill reference`: what the command line says of itself.

use crate::args::Cli;
use crate::failure::Outcome;
use crate::out;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

/// Completions for a shell, on standard output.
pub(super) fn completions(shell: Shell) -> Outcome<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flowstill", &mut text);
    out::print_own(&String::from_utf8_lossy(&text))
}

/// The reference, on standard output.
pub(super) fn print() -> Outcome<()> {
    out::print(&reference())
}

/// The whole command line as Markdown; `docs/cli.md` is this text, and a test keeps it so.
fn reference() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from("# The command line\n\nMade by `flowstill reference`; do not edit.\n");
    section(&root, "flowstill", &mut text);
    text
}

fn section(command: &Command, path: &str, text: &mut String) {
    text.push_str(&format!("\n## `{path}`\n\n"));
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        text.push_str(&format!("{about}\n\n"));
    }
    let usage = command.clone().render_usage().to_string();
    text.push_str(&format!("```text\n{}\n```\n", usage.trim_start_matches("Usage: ")));
    let own = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
    // Global options stand at the root alone.
    let here: Vec<&Arg> =
        command.get_arguments().filter(own).filter(|arg| path == "flowstill" || !arg.is_global_set()).collect();
    if !here.is_empty() {
        text.push_str("\n| Argument | Meaning |\n| --- | --- |\n");
        here.iter().for_each(|arg| text.push_str(&row(arg)));
    }
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        section(sub, &format!("{path} {}", sub.get_name()), text);
    }
}

fn row(arg: &Arg) -> String {
    let values: Vec<&str> = arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    let takes = arg.get_action().takes_values();
    let value = if takes { format!(" <{}>", values.join("> <")) } else { String::new() };
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}{value}"),
        (Some(long), None) => format!("--{long}{value}"),
        (None, Some(short)) => format!("-{short}{value}"),
        (None, None) => values.join(" "),
    };
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
    if takes && !possible.is_empty() {
        meaning.push_str(&format!(" (one of {})", possible.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes && !defaults.is_empty() {
        meaning.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    format!("| `{}` | {} |\n", name.replace('|', "\\|"), meaning.replace('|', "\\|"))
}
