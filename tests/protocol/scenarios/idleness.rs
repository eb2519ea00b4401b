//! A replica that has nothing on its way says so: one that ends in order waits for that.

use super::*;
use crate::spoken::each_protocol;

#[test]
fn who_has_answered_everything_is_idle() {
    fn play<M: Spoken>() {
        let mut world = world::<M>(3, WorldSettings { reads: 30, ..settings(3, 0, 60) });
        let replicas = [0, 1, 2].map(ReplicaId);
        let mut was_busy = false;
        while !world.run_until(world.now() + MS) {
            was_busy |= replicas.iter().any(|replica| !world.is_idle(*replica));
        }
        assert!(was_busy, "{}", M::PROTOCOL.name);
        for replica in replicas {
            assert!(world.is_idle(replica), "{}, {replica}", M::PROTOCOL.name);
        }
        end(world, "after all is answered");
    }
    each_protocol!(play);
}
