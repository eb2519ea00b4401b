//! Lookup of other machines' names, away from the replica's thread.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::deploy::settings::Endpoint;

/// How often names are looked up: a machine may come to be known late, or move.
const EVERY: Duration = Duration::from_secs(5);

type Known = Mutex<BTreeMap<Endpoint, SocketAddr>>;

/// Owns what is known of names.
#[derive(Debug)]
pub struct Names(Arc<Known>);

impl Names {
    /// Looks up those of `endpoints` that are names, from now on until this is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn of(endpoints: &[Endpoint]) -> io::Result<Self> {
        let known = Arc::new(Known::default());
        let named = |endpoint: &&Endpoint| endpoint.address().is_none();
        let names: Vec<Endpoint> = endpoints.iter().filter(named).cloned().collect();
        if !names.is_empty() {
            let weak = Arc::downgrade(&known);
            let watch = move || watch(&names, &weak);
            std::thread::Builder::new().name("names".to_owned()).spawn(watch)?;
        }
        Ok(Self(known))
    }

    /// The address of `endpoint`, as far as it is known.
    pub fn address(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        endpoint.address().or_else(|| {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(endpoint).copied()
        })
    }
}

fn watch(names: &[Endpoint], known: &Weak<Known>) {
    loop {
        for name in names {
            let Ok(address) = name.look_up() else { continue };
            let Some(known) = known.upgrade() else { return };
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.clone(), address);
        }
        std::thread::sleep(EVERY);
        if known.strong_count() == 0 {
            return;
        }
    }
}
