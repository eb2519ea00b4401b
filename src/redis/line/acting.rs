//! The commands that the line answers itself, and those it has a part in: MULTI, EXEC, WATCH.

use crate::app::kv::Row;
use crate::resp::Command;

use super::super::World;
use super::super::answer::Answer;
use super::super::local::Action;
use super::super::queue::Form;
use super::super::session::{Ask, Session};
use super::super::transaction::Transaction;
use super::{Line, Order};

impl Line {
    /// Queues a command for EXEC.
    pub(super) fn enqueue(&mut self, row: &'static Row, command: &Command<'_>) {
        let shape = self.session.resp3.then(|| row.shape(command));
        let limits = self.settings.limits;
        let transaction = self.transaction.get_or_insert_default();
        if transaction.push(command, shape, &limits) {
            self.queue.answer(|out| out.extend_from_slice(b"+QUEUED\r\n"));
        } else {
            self.reject(b"ERR transaction is too large");
        }
    }

    /// Does what a command of ours asks for.
    pub(super) fn act(
        &mut self,
        action: Action,
        command: Command<'_>,
        world: &World,
        order: &mut Order<'_>,
    ) {
        match action {
            Action::Answer(answer) => self.answer(answer, command, world),
            Action::Reset(answer) => {
                (self.transaction, self.watches) = Default::default();
                self.answer(answer, command, world);
            }
            Action::Multi if self.transaction.is_some() => {
                self.say(b"-ERR MULTI calls can not be nested\r\n");
            }
            Action::Multi => {
                self.transaction = Some(Transaction::default());
                self.say(b"+OK\r\n");
            }
            Action::Discard if self.transaction.is_none() => {
                self.say(b"-ERR DISCARD without MULTI\r\n");
            }
            Action::Discard | Action::Unwatch => {
                (self.transaction, self.watches) = Default::default();
                self.say(b"+OK\r\n");
            }
            Action::Watch if self.transaction.is_some() => {
                self.say(b"-ERR WATCH inside MULTI is not allowed\r\n");
            }
            Action::Watch => match self.watches.ask(&command) {
                Some(command) => {
                    let number = self.queue.order(Form::Watch);
                    self.watches.number(number);
                    order(number, &command);
                }
                None => self.say(b"-ERR too many watched keys\r\n"),
            },
            Action::Exec => self.exec(order),
        }
    }

    fn exec(&mut self, order: &mut Order<'_>) {
        let Some(transaction) = self.transaction.take() else {
            return self.say(b"-ERR EXEC without MULTI\r\n");
        };
        let watches = std::mem::take(&mut self.watches);
        if transaction.failed || watches.failed {
            self.say(b"-EXECABORT Transaction discarded because of previous errors.\r\n");
        } else if transaction.is_empty() && watches.is_empty() {
            self.say(b"*0\r\n");
        } else {
            let (command, shapes) = transaction.compose(&watches);
            let number = if self.session.resp3 {
                self.queue.order_transaction(shapes)
            } else {
                self.queue.order(Form::Resp2)
            };
            order(number, &command);
        }
    }

    fn say(&mut self, reply: &[u8]) {
        self.queue.answer(|out| out.extend_from_slice(reply));
    }

    fn answer(
        &mut self,
        answer: fn(&mut Session, &Ask<'_>, &mut Answer<'_>),
        words: Command<'_>,
        world: &World,
    ) {
        let ask = Ask { words, world, settings: &self.settings };
        let session = &mut self.session;
        let resp3 = session.resp3;
        self.queue.answer(|out| answer(session, &ask, &mut Answer { out, resp3 }));
    }
}
