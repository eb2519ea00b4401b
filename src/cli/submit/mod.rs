//! `taraflow submit`: a stream of commands in, a stream of replies out, each command once.

mod input;
mod lanes;
mod progress;
mod session;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam_channel::{RecvTimeoutError, never, select};
use indicatif::HumanCount;

use super::connect::ConnectArgs;
use super::output::OutputForm;
use super::reply::{write_note, write_reply};
use super::told_to_end;
use crate::cli::outcome::Failure;
use crate::client::Target;
use crate::model::error::Error;

use input::{CommandRead, SubmitInput};
use lanes::{Answered, Lanes};
use progress::SubmitProgress;
use session::{SavedRun, SessionFile};

/// Arguments of `taraflow submit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taraflow submit commands.txt > replies.txt
  taraflow submit --dir ./cluster --connections 4 commands.txt > replies.txt
  generate | taraflow submit --session load.session -o json - > replies.ndjson

The cluster is the one in --dir, or in TARAFLOW_DIR, or in ./cluster, or at --addr.

Input is what redis-cli --pipe reads, or a command a line. Replies come in the order of the commands. \
Interrupt it and run it again with the same input: it continues where it was, and no command is applied \
twice. After a kill, some replies may be printed again, or `(applied before)` in place of a reply. \
With several connections, commands with the same first key keep their order; others may overtake each \
other.

Exit codes: 0 all commands have been answered, 2 the input cannot be read, 3 no replica could be \
reached, 4 requests are not answered and none was sent, 6 no answer came in time, or it was \
interrupted: run it again.")]
pub(super) struct SubmitArgs {
    /// The commands; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    reach: ConnectArgs,
    /// Connections, each with a session of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// File to keep the progress in, so that a later run can continue [default: FILE.session]
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// How to print the replies
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

/// Submits the input.
///
/// # Errors
/// Why not all of it has been answered.
pub(super) fn run(args: &SubmitArgs) -> Result<(), Failure> {
    let input = SubmitInput::open(&args.input)?;
    let target = args.reach.target()?;
    let place = SessionFile::of(args.session.as_ref(), &args.input);
    let earlier = place.read()?;
    let resumes = earlier.is_some();
    let lanes = match &earlier {
        None => Lanes::open(&target, args.connections)?,
        Some(earlier) => Lanes::planned(earlier.sessions.len()),
    };
    let saved = earlier.unwrap_or_else(|| SavedRun::new(lanes.sessions()));
    let mut job = Job {
        args,
        progress: SubmitProgress::new(input.bytes(), saved.printed),
        input,
        lanes,
        saved,
        seen: blake3::Hasher::new(),
        place,
        read: 0,
        early: BTreeMap::new(),
        answered_at: Instant::now(),
        errors: 0,
        written_at: Instant::now(),
        ending: told_to_end()?,
    };
    if resumes {
        job.skip(&target)?;
    } else {
        job.save()?;
    }
    job.finish()
}

/// A run of `taraflow submit`.
struct Job<'a> {
    args: &'a SubmitArgs,
    input: SubmitInput,
    lanes: Lanes,
    saved: SavedRun,
    /// The hash of the commands that have been answered.
    seen: blake3::Hasher,
    place: SessionFile,
    /// Commands that have been read.
    read: u64,
    /// Answers that wait for those before them.
    early: BTreeMap<u64, Answered>,
    /// When the last answer came, or the first question after all was answered.
    answered_at: Instant,
    progress: SubmitProgress,
    errors: u64,
    written_at: Instant,
    /// Set by Ctrl-C.
    ending: Arc<AtomicBool>,
}

impl Job<'_> {
    /// How often progress is saved.
    const WRITE_EVERY: Duration = Duration::from_millis(500);

    /// How often is looked for a wish to end, and for patience that is at its end.
    const LOOK_EVERY: Duration = Duration::from_millis(100);

    /// Reads past what an earlier run has done, and resumes its sessions.
    fn skip(&mut self, target: &Target) -> Result<(), Failure> {
        while self.read < self.saved.printed {
            match self.input.commands().recv_timeout(Self::LOOK_EVERY) {
                Ok(next) => {
                    let command = self.taken(next?);
                    self.seen.update(&command);
                    self.lanes.count(&command);
                    self.read += 1;
                }
                Err(RecvTimeoutError::Timeout) => self.go_on()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.seen.finalize().to_hex().as_str() != self.saved.seen {
            let what = "made from another input; remove it to start from the beginning";
            return Err(Failure::Usage(format!("{}: {what}", self.place)));
        }
        self.lanes.resume(target, &self.saved.sessions)
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.saved.seen = self.seen.finalize().to_hex().to_string();
        self.place.write(&self.saved)
    }

    fn taken(&mut self, CommandRead { command, position }: CommandRead) -> Vec<u8> {
        self.progress.on_read(position);
        command
    }

    /// Goes on unless somebody wants an end.
    fn go_on(&self) -> Result<(), Failure> {
        match self.ending.load(Ordering::Relaxed) {
            true => Err(self.unfinished("interrupted".to_owned())),
            false => Ok(()),
        }
    }

    /// Submits the rest of the input.
    fn finish(&mut self) -> Result<(), Failure> {
        let outcome = self.exchange();
        self.progress.finish();
        if outcome.is_err() {
            self.save()?;
            return outcome;
        }
        self.place.remove();
        say!("{}", self.progress.summary(self.errors));
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let patience = self.args.reach.patience();
        let mut ended = false;
        // A mistake in the input is reported after the commands before it are done.
        let mut mistake = None;
        while !ended || self.saved.printed < self.read {
            let (commands, answers) = (self.input.commands().clone(), self.lanes.answers().clone());
            let commands = if !ended && self.lanes.has_room() { commands } else { never() };
            select! {
                recv(commands) -> next => match next {
                    Ok(Ok(next)) => self.send(next),
                    Ok(Err(error)) => (ended, mistake) = (true, Some(error)),
                    Err(_) => ended = true,
                },
                recv(answers) -> answered => {
                    self.answered_at = Instant::now();
                    let all = answered.into_iter().chain(answers.try_iter());
                    self.early.extend(all.map(|answered| (answered.index, answered)));
                }
                default(Self::LOOK_EVERY) => {
                    let open = self.saved.printed < self.read;
                    if open && self.answered_at.elapsed() >= patience {
                        return Err(self.unknown());
                    }
                }
            }
            self.print(&mut out)?;
            if let Err(interrupted) = self.go_on() {
                out.flush()?;
                return Err(interrupted);
            }
        }
        out.flush()?;
        mistake.map_or(Ok(()), |mistake| Err(self.stopped_at(&mistake)))
    }

    fn send(&mut self, next: CommandRead) {
        if self.saved.printed == self.read {
            self.answered_at = Instant::now();
        }
        let command = self.taken(next);
        self.lanes.send(self.read, command);
        self.read += 1;
    }

    /// The end of a run at a mistake in the input.
    fn stopped_at(&self, mistake: &Failure) -> Failure {
        let done = HumanCount(self.saved.printed);
        let how = match self.place.is_kept() {
            true => {
                "Correct it and run the same command again: it continues there, and no command is \
                 applied twice"
            }
            false => "Correct it and submit only what comes after those commands",
        };
        Failure::Usage(format!(
            "{mistake}. The {done} commands before it have been applied, and nothing after it. {how}"
        ))
    }

    fn unknown(&self) -> Failure {
        let silent_s = self.args.reach.patience().as_secs();
        self.unfinished(format!("no answer for {silent_s} s"))
    }

    /// The end of a run before all is answered.
    fn unfinished(&self, why: String) -> Failure {
        let (answered, resumes) = (self.saved.printed, self.place.is_kept());
        Failure::Unfinished { why, answered, open: self.read - answered, resumes }
    }

    /// Prints the answers that are next.
    fn print(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        let before = self.saved.printed;
        while let Some(answered) = self.early.remove(&self.saved.printed) {
            let (number, form) = (self.saved.printed + 1, self.args.output);
            match &answered.reply {
                Ok(reply) => {
                    self.errors += u64::from(reply.starts_with(b"-"));
                    write_reply(out, form, number, reply)?;
                }
                Err(Error::Told { .. }) => write_note(out, form, number, "applied before")?,
                Err(error) => {
                    write_note(out, form, number, &error.to_string())?;
                    out.flush()?;
                    return Err(self.unknown());
                }
            }
            self.seen.update(&answered.command);
            self.saved.printed += 1;
        }
        let printed = self.saved.printed - before;
        self.progress.on_answered(printed);
        if printed > 0 && self.saved.printed == self.read {
            // Whoever waits for it before saying more is not kept waiting.
            out.flush()?;
        }
        if self.written_at.elapsed() >= Self::WRITE_EVERY {
            out.flush()?;
            self.save()?;
            self.written_at = Instant::now();
        }
        Ok(())
    }
}
