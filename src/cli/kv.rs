//! `taraflow kv`: one command, once.

use clap::Args;

use super::connect::ConnectArgs;
use super::output::{OutputForm, print_with};
use super::reply::write_reply;
use crate::cli::outcome::Failure;
use crate::kv::resp::write_command;
use crate::kv::service;

/// Arguments of `taraflow kv`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taraflow kv set greeting hello
  taraflow kv --dir ./cluster get greeting
  taraflow kv -o json incrby visits 2
  taraflow kv lease acquire job worker-1 5000
  taraflow kv --addr 10.0.0.1:7100,10.0.0.2:7100,10.0.0.3:7100 \\
      --ca ca.pem --cert client.pem --key client-key.pem get greeting

The cluster is the one in --dir, or in TARAFLOW_DIR, or in ./cluster, or at --addr. Options go before the \
command: what follows it is its arguments.

The command takes effect once, whatever happens on the way. Exit codes: 1 the service answered with an \
error, 3 no replica could be reached, 4 requests are not answered and this was not \
sent, 6 no answer came and the command may have taken effect.")]
pub(super) struct KvArgs {
    #[command(flatten)]
    reach: ConnectArgs,
    /// How to print the reply
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
    /// A command of Redis and its arguments; `put` is `set`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Why a command is refused. What looks like an option of this program was taken for an argument.
fn refuse(why: &str, words: &[String]) -> Failure {
    let stray = words.iter().find(|word| word.starts_with("--"));
    Failure::Usage(stray.map_or_else(
        || why.to_owned(),
        |stray| {
            format!("{why}; `{stray}` was taken for an argument: options go before the command")
        },
    ))
}

/// Has the command applied, and prints the reply.
///
/// # Errors
/// Why there is no good reply.
pub(super) fn run(args: &KvArgs) -> Result<(), Failure> {
    let mut words: Vec<&[u8]> = args.command.iter().map(String::as_bytes).collect();
    if words[0].eq_ignore_ascii_case(b"put") {
        words[0] = b"SET";
    }
    let mut command = Vec::new();
    write_command(words.iter().copied(), &mut command);
    service::check(&command).map_err(|refused| refuse(&refused.to_string(), &args.command))?;
    let mut client = args.reach.target()?.connect()?;
    let reply = client.call(&command)?;
    print_with(|out| Ok(write_reply(out, args.output, 1, &reply)?))?;
    if reply.starts_with(b"-") { Err(Failure::Replied) } else { Ok(()) }
}
