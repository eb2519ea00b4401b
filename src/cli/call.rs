//! `taraflow call`: one command of any state machine, once.

use std::io::Write as _;

use clap::Args;

use super::connect::ConnectArgs;
use super::output::print_with;
use crate::cli::outcome::Failure;

/// Arguments of `taraflow call`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taraflow call --dir ./cluster 'some command'
  taraflow call --addr 10.0.0.1:7100,10.0.0.2:7100,10.0.0.3:7100 \\
      --ca ca.pem --cert client.pem --key client-key.pem 'some command'

The command takes effect once, whatever happens on the way. Exit codes: 3 no replica could be reached, \
4 requests are not answered and this was not sent, 6 no answer came and the command may have taken effect.")]
pub(super) struct CallArgs {
    #[command(flatten)]
    reach: ConnectArgs,
    /// The bytes of the command
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// Has the command applied, and prints the bytes of the reply and a line's end.
///
/// # Errors
/// Why there is no reply.
pub(super) fn run(args: &CallArgs) -> Result<(), Failure> {
    let mut client = args.reach.target()?.connect()?;
    let mut reply = client.call(args.text.as_bytes())?;
    reply.push(b'\n');
    print_with(|out| Ok(out.write_all(&reply)?))
}
