//! `taraflow cluster init`: the files of a new cluster.

use std::io::{self, Write};

use crate::deploy::setup::Plan;
use crate::model::error::Error;

/// Makes the files, or says which.
pub(super) fn run(plan: &Plan, dry_run: bool) -> Result<(), Error> {
    let shown = plan.directory.display();
    if dry_run {
        plan.check()?;
        let mut output = io::stdout().lock();
        for path in plan.paths() {
            writeln!(output, "{}", plan.directory.join(path).display())?;
        }
        return Ok(());
    }
    plan.carry_out()?;
    say!("made a cluster of {} in {shown}", plan.replicas);
    if !plan.plain {
        say!(
            "keep {shown}/ca-key.pem safe: no replica needs it, and whoever has it can make keys for this \
             cluster"
        );
    }
    Ok(())
}
