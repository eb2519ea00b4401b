//! The chain of roles that wait for each other, from the application on.

use timely::worker::Worker;

use super::reach::{Hop, Location, Reach, Side};
use super::views::Epoch;
use crate::model::events::{Holding, Wait};

/// The chain from the application to who holds it back.
pub(super) struct Waits {
    reach: Reach,
    /// The roles; a role's place is its position.
    roles: Vec<String>,
    /// What has been put in as waiting.
    waiting: Vec<Hop>,
}

impl Waits {
    /// Builds the dataflow. The chain begins at the role called `root`.
    pub fn build(worker: &mut Worker, root: &str) -> Self {
        let reach = Reach::build(worker, "waits");
        let mut waits = Self { reach, roles: Vec::new(), waiting: Vec::new() };
        let root = waits.place(root);
        waits.reach.change(root, vec![0], 1);
        waits
    }

    fn place(&mut self, role: &str) -> Location {
        let at = self.roles.iter().position(|known| known == role).unwrap_or_else(|| {
            self.roles.push(role.to_owned());
            self.roles.len() - 1
        });
        Location { address: vec![at], side: Side::Output, port: 0 }
    }

    /// Says what the roles hold in the present epoch.
    pub fn hold(&mut self, holdings: &[Holding]) {
        let mut waiting = Vec::new();
        for holding in holdings {
            if let Wait::Role(other) = &holding.wait {
                let (waiter, other) = (self.place(&holding.role), self.place(other));
                waiting.push((waiter, (other, vec![1])));
            }
        }
        let before = std::mem::replace(&mut self.waiting, waiting);
        before.into_iter().for_each(|hop| self.reach.change_hop(hop, -1));
        self.waiting.iter().cloned().for_each(|hop| self.reach.change_hop(hop, 1));
    }

    /// Ends the epoch before `epoch`. The chain follows once the worker has nothing left to do.
    pub fn end_epoch(&mut self, epoch: Epoch) {
        self.reach.end_epoch(epoch);
    }

    /// The roles that hold back the application, itself first, by their distance from it.
    pub fn chain(&self) -> Vec<&str> {
        let reached = self.reach.reached();
        let role = |place: &Location| self.roles.get(*place.address.first()?).map(String::as_str);
        let mut chain: Vec<_> = reached
            .iter()
            .filter_map(|(place, least)| Some((least.keys().next()?.0.clone(), role(place)?)))
            .collect();
        chain.sort();
        chain.into_iter().map(|(_distance, role)| role).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::replica::timeless_worker;

    fn chain(worker: &mut Worker, waits: &mut Waits, epoch: Epoch) -> Vec<String> {
        waits.end_epoch(epoch);
        (0..100).for_each(|_| {
            worker.step();
        });
        waits.chain().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn blame_goes_from_the_application_to_who_waits_for_no_other_role() {
        let mut worker = timeless_worker();
        let mut waits = Waits::build(&mut worker, "executor");
        let waiting = |role: &str, other: &str| Holding {
            wait: Wait::for_role(other),
            ..Holding::nothing(role)
        };
        let lacks_votes =
            Holding { wait: Wait::for_word("vote", Vec::new()), ..Holding::nothing("learner") };
        let (executor, release) = (waiting("executor", "release"), waiting("release", "learner"));
        let elsewhere = waiting("proposer", "checkpointer");
        waits.hold(&[executor.clone(), release, lacks_votes, elsewhere]);
        assert_eq!(chain(&mut worker, &mut waits, 1), ["executor", "release", "learner"]);

        waits.hold(&[executor]);
        assert_eq!(chain(&mut worker, &mut waits, 2), ["executor", "release"]);
    }

    #[test]
    fn who_waits_for_each_other_is_named_once() {
        let mut worker = timeless_worker();
        let mut waits = Waits::build(&mut worker, "executor");
        let waiting = |role: &str, other: &str| Holding {
            wait: Wait::for_role(other),
            ..Holding::nothing(role)
        };
        waits.hold(&[waiting("executor", "release"), waiting("release", "executor")]);
        assert_eq!(chain(&mut worker, &mut waits, 1), ["executor", "release"]);
    }
}
