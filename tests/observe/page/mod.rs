//! The page in a real browser.

mod browser;
mod frames;
mod live;
mod recorded;
mod running;
mod stub;
