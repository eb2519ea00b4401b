//! The start of a replica: its disk is read, and what is known to be decided is executed before
//! anything of the graph is there.

use std::io;

use crate::disk::{Disk, Durable, Identity, Recovered, Store};
use crate::engine::operators::executor::Executor;
use crate::engine::protocol::JournalRecord;
use crate::model::app::StateMachine;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::error::Error;

/// Opens a disk; answers also what applies the ordered stream, standing where the disk left it.
pub(super) fn open<R: JournalRecord>(
    config: &Config,
    (disk, owner): (Box<dyn Disk>, Identity),
    application: Box<dyn StateMachine>,
) -> Result<(Store, Recovered<R>, Executor), Error> {
    let mut executor = Executor::new(application, config);
    // Of a checkpoint that turns out to be damaged half may have been taken over.
    let beginning = executor.whole();
    let mut restore = |checkpoint: &Checkpoint| {
        executor.restore(checkpoint).or_else(|damaged| {
            executor.start_over(&beginning)?;
            Err(damaged)
        })
    };
    let (mut store, recovered) = Store::open_reading(disk, owner, &mut restore)?;
    drop(beginning);
    executor.begin(recovered.incarnation);
    store.set_piece_bytes(config.chunk_bytes.div_ceil(4));
    if recovered.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.parts().is_none()) {
        // Others fetch parts.
        store.queue([Durable::<R>::Checkpoint(executor.cut())])?;
    }
    replay(config, &mut store, &recovered, &mut executor)?;
    Ok((store, recovered, executor))
}

/// Executes what the journal knows to be decided, a slot at a time: a journal may be longer than
/// there is memory.
fn replay<R: JournalRecord>(
    config: &Config,
    store: &mut Store,
    recovered: &Recovered<R>,
    executor: &mut Executor,
) -> Result<(), Error> {
    let mut queued = Ok(());
    let walked = recovered.past.walk(recovered.covered()..recovered.decided, |slot, records| {
        let Some(value) = R::held(records) else {
            let missing = format!("no record of slot {slot} says what it holds");
            return Err(io::Error::new(io::ErrorKind::InvalidData, missing));
        };
        if let Some(cut) = executor.replay(slot, value)
            && queued.is_ok()
        {
            queued = store.queue([Durable::<R>::Checkpoint(cut)]);
        }
        Ok(())
    });
    let failed = |source| Error::Disk {
        replica: config.me,
        doing: "read again",
        file: "the journal".to_owned(),
        source,
    };
    walked.map_err(failed).and(queued)
}
