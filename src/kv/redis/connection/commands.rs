//! The commands that the connection answers itself, and those it has a part in: MULTI, EXEC, WATCH.

use crate::kv::resp::{Arguments, Command, Parsed, write_array, write_ok};
use crate::kv::service::Shape;
use crate::model::reads::Way;

use super::super::ServerInfo;
use super::super::local::{Action, Local, Target};
use super::super::queue::Form;
use super::super::resp3::Elements;
use super::super::session::{Ask, Session};
use super::super::transaction::{Step, Transaction};
use super::super::writer::ReplyWriter;
use super::{Mixed, Order, RedisConnection};

impl RedisConnection {
    /// Queues a command for EXEC.
    pub(super) fn enqueue(&mut self, target: &Target, command: &Command<'_>) {
        let transaction = self.transaction.get_or_insert_default();
        if transaction.push(target, command, &self.settings.limits) {
            self.reply(b"+QUEUED\r\n");
        } else {
            self.reject(b"ERR transaction is too large");
        }
    }

    /// Does what a command of ours asks for.
    pub(super) fn act(
        &mut self,
        action: Action,
        command: Command<'_>,
        server: &ServerInfo,
        order: &mut Order<'_>,
    ) {
        match action {
            Action::Answer(answer) => self.answer(answer, command, server),
            Action::Reset(answer) => {
                (self.transaction, self.watches) = Default::default();
                self.answer(answer, command, server);
            }
            Action::Alone(_) if self.transaction.is_some() => {
                self.reject(b"ERR TARAFLOW inside MULTI is not allowed");
            }
            Action::Alone(answer) => self.answer(answer, command, server),
            Action::Multi if self.transaction.is_some() => {
                self.reply(b"-ERR MULTI calls can not be nested\r\n");
            }
            Action::Multi => {
                self.transaction = Some(Transaction::default());
                self.reply(b"+OK\r\n");
            }
            Action::Discard if self.transaction.is_none() => {
                self.reply(b"-ERR DISCARD without MULTI\r\n");
            }
            Action::Discard | Action::Unwatch => {
                (self.transaction, self.watches) = Default::default();
                self.reply(b"+OK\r\n");
            }
            Action::Watch if self.transaction.is_some() => {
                self.reply(b"-ERR WATCH inside MULTI is not allowed\r\n");
            }
            Action::Watch => match self.watches.ask(&command) {
                Some(command) => {
                    let number = self.queue.order(Form::Watch);
                    self.watches.number(number);
                    order(Way::Log, number, &command);
                }
                None => self.reply(b"-ERR too many watched keys\r\n"),
            },
            Action::Exec => self.exec(server, order),
        }
    }

    fn exec(&mut self, server: &ServerInfo, order: &mut Order<'_>) {
        let Some(transaction) = self.transaction.take() else {
            return self.reply(b"-ERR EXEC without MULTI\r\n");
        };
        let watches = std::mem::take(&mut self.watches);
        if transaction.failed || watches.failed {
            self.reply(b"-EXECABORT Transaction discarded because of previous errors.\r\n");
            return;
        }
        let is_local = |step: &Step| matches!(step, Step::Local(..));
        if watches.is_empty() && transaction.steps().iter().all(is_local) {
            let (_, steps) = transaction.compose(&watches);
            let reply = self.perform(b"*0\r\n", &steps, server);
            return self.reply(&reply);
        }
        let (command, steps) = transaction.compose(&watches);
        let number = if steps.iter().any(is_local) {
            let number = self.queue.order(Form::Resp2);
            self.mixed = Some(Mixed { number, steps, server: server.clone() });
            number
        } else if self.session.resp3 {
            self.queue.order(Form::Transaction(steps.iter().filter_map(Step::shape).collect()))
        } else {
            self.queue.order(Form::Resp2)
        };
        order(Way::Log, number, &command);
    }

    /// The reply to EXEC, of which `result` is what the log has answered: does the steps that the
    /// connection has to do, unless nothing was done.
    pub(super) fn perform(
        &mut self,
        result: &[u8],
        steps: &[Step],
        server: &ServerInfo,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(result.len());
        let Some(mut replies) = Elements::of(result) else {
            let shape = self.session.resp3.then_some(Shape::Plain);
            Elements::only(result).take(shape, &mut out);
            return out;
        };
        write_array(steps.len(), &mut out);
        let mut room = Arguments::default();
        for step in steps {
            match step {
                Step::Ordered(shape) => {
                    replies.take(self.session.resp3.then_some(*shape), &mut out);
                }
                Step::Local(Local { action: Action::Answer(answer), .. }, bytes) => {
                    if let Ok(Parsed::Complete { value: words, .. }) =
                        room.parse(bytes, &self.settings.limits)
                    {
                        let ask = Ask { words, server, settings: &self.settings };
                        let resp3 = self.session.resp3;
                        answer(&mut self.session, &ask, &mut ReplyWriter { out: &mut out, resp3 });
                    }
                }
                // EXEC has ended the watch already; nothing else is queued.
                Step::Local(..) => write_ok(&mut out),
            }
        }
        out
    }

    fn reply(&mut self, reply: &[u8]) {
        self.queue.answer(|out| out.extend_from_slice(reply));
    }

    fn answer(
        &mut self,
        answer: fn(&mut Session, &Ask<'_>, &mut ReplyWriter<'_>),
        words: Command<'_>,
        server: &ServerInfo,
    ) {
        let ask = Ask { words, server, settings: &self.settings };
        let session = &mut self.session;
        let resp3 = session.resp3;
        self.queue.answer(|out| answer(session, &ask, &mut ReplyWriter { out, resp3 }));
    }
}
