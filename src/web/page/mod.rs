//! The page on which people watch a cluster, live from a node or from a recording.
//!
//! It is plain modules in the language of browsers, without a build step and without anything fetched from
//! elsewhere: each file in `assets/` is served as it is. A recording becomes one file that carries the
//! same modules and contacts nobody.

mod assets;
mod judged;
mod replay;

pub use assets::{ASSETS, Asset, CONTENT_SECURITY_POLICY, INDEX};
pub use replay::{Figures, GraphOf, replay};
